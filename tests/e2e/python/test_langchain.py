"""LangChain, unchanged, through its own client for OpenAI."""

import asyncio
import unittest
from typing import Literal

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

from stack import DOOR, Tenant

QUESTION = "How do I add a second calendar?"


class Ticket(BaseModel):
    """A ticket, sorted."""

    category: Literal["how_to", "billing", "outage"] = Field(description="What it is about")
    priority: str
    summary: str
    reply: str


@tool
def temperature(city: str) -> str:
    """The temperature of a city in °C"""
    return {"Gdańsk": "18", "Kraków": "21"}[city]


class LangChain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = Tenant().key
        cls.model = cls.chat("openai/gpt-4o-mini")

    @classmethod
    def chat(cls, model):
        return ChatOpenAI(model=model, base_url=DOOR, api_key=cls.key, max_retries=0, stream_usage=True)

    def test_asks_a_model_of_each_provider(self):
        for name in ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"]:
            with self.subTest(name):
                answer = self.chat(name).invoke(QUESTION)
                self.assertIn("second calendar", answer.content)
                self.assertEqual(answer.usage_metadata["total_tokens"], 279)
                self.assertEqual(answer.response_metadata["model_name"], name)

    def test_streams(self):
        chunks = list(self.model.stream(QUESTION))
        self.assertGreater(len(chunks), 3)
        whole = sum(chunks[1:], chunks[0])
        self.assertIn("kept apart", whole.content)
        self.assertEqual(whole.usage_metadata["output_tokens"], 72)

    def test_streams_in_an_event_loop(self):
        async def read():
            return "".join([chunk.content async for chunk in self.chat("openai/gpt-4o-mini").astream(QUESTION)])

        self.assertIn("kept apart", asyncio.run(read()))

    def test_calls_tools(self):
        asking = self.model.bind_tools([temperature])
        messages = [HumanMessage("How warm is it in Gdańsk and in Kraków?")]
        first = asking.invoke(messages)
        self.assertEqual([call["args"] for call in first.tool_calls], [{"city": "Gdańsk"}, {"city": "Kraków"}])
        messages.append(first)
        for call in first.tool_calls:
            result = temperature.invoke(call)
            self.assertIsInstance(result, ToolMessage)
            messages.append(result)
        self.assertIn("21 °C in Kraków", asking.invoke(messages).content)

    def test_gets_an_object_of_a_class(self):
        ticket = self.model.with_structured_output(Ticket, method="json_schema").invoke(QUESTION)
        self.assertIsInstance(ticket, Ticket)
        self.assertEqual(ticket.category, "how_to")

    def test_makes_vectors(self):
        # Its own tokenizer is left out: it would be fetched from the internet, and the door takes texts.
        vectors = OpenAIEmbeddings(
            model="openai/text-embedding-3-small", base_url=DOOR, api_key=self.key, check_embedding_ctx_length=False
        ).embed_documents(["one", "another"])
        self.assertEqual(len(vectors), 2)
        self.assertEqual(len(vectors[0]), len(vectors[1]))

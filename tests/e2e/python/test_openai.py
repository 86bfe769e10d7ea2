"""OpenAI's own SDK for Python, unchanged: nothing but a base URL and a key of ours."""

import asyncio
import json
import unittest
from typing import Literal

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from stack import DOOR, Tenant

MODEL = "openai/gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "How do I add a second calendar?"}]
TEMPERATURE = {
    "type": "function",
    "function": {
        "name": "temperature",
        "description": "The temperature of a city in °C",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Ticket(BaseModel):
    category: Literal["how_to", "billing", "outage"]
    priority: str
    summary: str
    reply: str


class OpenAISdk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tenant = Tenant()
        # Nothing is tried twice, so that what fails is seen.
        cls.client = OpenAI(base_url=DOOR, api_key=cls.tenant.key, max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def test_asks_a_model(self):
        answer = self.client.chat.completions.create(model=MODEL, messages=MESSAGES)
        self.assertIn("second calendar", answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual((answer.usage.prompt_tokens, answer.usage.completion_tokens), (207, 72))

    def test_reads_a_stream_to_its_end(self):
        text, usage = "", None
        stream = self.client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        for chunk in stream:
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
            usage = chunk.usage or usage
        self.assertIn("kept apart", text)
        self.assertEqual(usage.total_tokens, 279)

    def test_reads_a_stream_beside_others(self):
        async def ask(client):
            stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        async def all_at_once():
            async with AsyncOpenAI(base_url=DOOR, api_key=self.tenant.key, max_retries=0) as client:
                return await asyncio.gather(*[ask(client) for _ in range(5)])

        for text in asyncio.run(all_at_once()):
            self.assertIn("kept apart", text)

    def test_gets_an_object_of_a_class(self):
        answer = self.client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Ticket)
        self.assertIsInstance(answer.choices[0].message.parsed, Ticket)
        self.assertEqual(answer.choices[0].message.parsed.category, "how_to")

    def test_calls_two_tools_and_tells_what_came_of_it(self):
        messages = [{"role": "user", "content": "How warm is it in Gdańsk and in Kraków?"}]
        first = self.client.chat.completions.create(model=MODEL, messages=messages, tools=[TEMPERATURE])
        message = first.choices[0].message
        self.assertEqual(first.choices[0].finish_reason, "tool_calls")
        self.assertEqual([json.loads(call.function.arguments)["city"] for call in message.tool_calls], ["Gdańsk", "Kraków"])
        messages.append(message)
        for call, degrees in zip(message.tool_calls, ["18", "21"], strict=True):
            messages.append({"role": "tool", "tool_call_id": call.id, "content": degrees})
        second = self.client.chat.completions.create(model=MODEL, messages=messages, tools=[TEMPERATURE])
        self.assertIn("18 °C in Gdańsk", second.choices[0].message.content)

    def test_asks_an_agent_and_lists_what_it_may_ask(self):
        self.tenant.insert("ai_agents", name="Helper", slug="helper", model="anthropic/claude-haiku-4-5", config={"system_prompt": "Help."})
        answer = self.client.chat.completions.create(model="agent:helper", messages=MESSAGES)
        self.assertEqual(answer.model, "anthropic/claude-haiku-4-5")
        models = [model.id for model in self.client.models.list()]
        self.assertIn("agent:helper", models)
        self.assertIn(MODEL, models)

    def test_makes_vectors(self):
        made = self.client.embeddings.create(model="openai/text-embedding-3-small", input=["one", "another"])
        self.assertEqual([vector.index for vector in made.data], [0, 1])
        self.assertGreater(len(made.data[0].embedding), 100)

    def test_is_refused_in_its_own_words(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="nowhere/model", messages=MESSAGES)
        self.assertEqual(caught.exception.code, "llm_unknown_provider")
        with self.assertRaises(openai.BadRequestError):
            self.client.chat.completions.create(model=MODEL, messages=MESSAGES, n=2)
        with OpenAI(base_url=DOOR, api_key="sk-nobody", max_retries=0) as stranger, self.assertRaises(openai.AuthenticationError):
            stranger.chat.completions.create(model=MODEL, messages=MESSAGES)
        with OpenAI(base_url=DOOR, api_key=Tenant(["usage.read"]).key, max_retries=0) as reader, self.assertRaises(openai.PermissionDeniedError):
            reader.models.list()

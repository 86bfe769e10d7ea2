//! Admitting a call: from what is set aside here, or by asking the database.

use std::sync::Arc;

use agents::Limits;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use llm::{ChatRequest, Completion, Providers, tokens_of_request};
use serde_json::Value;
use uuid::Uuid;

use super::ModelCalls;
use super::agent::{Agent, play};
use super::answer_cache::{CachePlace, CacheUse, Keeping};
use super::ask::ForCall;
use super::captured_call::CapturedCall;
use super::conversation::Conversation;
use super::listening::Listening;
use super::meter::{Account, Meter};
use super::pass::{Drawn, Pass, PassKey, ProbableCall};
use super::places::Place;
use super::rounds::Rounds;
use crate::agent_tools::{self, Asking};
use crate::database::CallerSession;
use crate::error::ApiError;

/// The output that is expected of a call which sets no limit.
pub const USUAL_OUTPUT: u32 = 1000;
/// Characters of `provider/model`.
const LONGEST_MODEL: usize = 256;
/// How often the database is asked for one call: once, and again where its agent was not known or others have taken what was left meanwhile.
const MOST_QUESTIONS: usize = 4;

/// For whom a call is to be made.
pub struct Asked<'a> {
    pub session: &'a CallerSession,
    pub tenant_id: Uuid,
    /// `provider/model`, or `agent:<slug>` where agents can be asked.
    pub model: &'a str,
    /// Those that are asked when it fails.
    pub other_models: &'a [String],
}

/// A call that may be made: counted by this meter, with these providers.
pub struct Admitted {
    pub meter: Meter,
    pub providers: Providers,
    /// For the answer.
    pub headers: HeaderMap,
}

/// A chat that may be held, or need not.
pub enum Begun {
    Admitted(Box<Admitted>),
    /// The same was answered a while ago. Nothing was taken.
    Answered(Box<Completion>, HeaderMap),
    /// With an agent whose tools run here. Its first round is admitted.
    Conversation(Box<Conversation>, HeaderMap),
}

/// Whether an answer came from the cache; where nothing is kept it is not said.
const CACHE: HeaderName = HeaderName::from_static("x-aias-cache");

/// What a call may take, before it has a meter.
pub(super) struct Reserved {
    place: Place,
    pub(super) pass: Arc<Pass>,
    drawn: Drawn,
    call: ProbableCall,
}

impl ModelCalls {
    /// Admits a call. `probably` says what it will take, and again once its agent is known. What it takes is entered when the meter says so, and at the latest
    /// when that is dropped.
    ///
    /// # Errors
    /// What the database refuses: 402 `quota_exceeded`, 403, 404, 429; `overloaded` when too many are being made; `secrets_not_configured`,
    /// `unavailable` and `internal` when the tenant's own key does not open.
    pub async fn admit(
        &self,
        asked: &Asked<'_>,
        probably: impl FnMut(Option<&Agent>) -> ProbableCall,
    ) -> Result<Admitted, ApiError> {
        let reserved = self.reserve(asked, probably).await?;
        Ok(self.admitted(asked, Uuid::now_v7(), reserved, None, None))
    }

    pub(super) async fn reserve(
        &self,
        asked: &Asked<'_>,
        mut probably: impl FnMut(Option<&Agent>) -> ProbableCall,
    ) -> Result<Reserved, ApiError> {
        let models = asked.other_models.iter().map(String::as_str);
        if models
            .chain([asked.model])
            .any(|model| model.len() > LONGEST_MODEL)
        {
            return Err(ApiError::bad_request(
                "llm_invalid_model_name",
                "the name of a model is at most 256 characters long",
            ));
        }
        let Some(place) = self.places.take().await else {
            return Err(ApiError::Overloaded(
                "too many models are being called at the moment",
            ));
        };
        let (pass, drawn, call) = self.drawn_for(asked, &mut probably).await?;
        Ok(Reserved {
            place,
            pass,
            drawn,
            call,
        })
    }

    pub(super) fn admitted(
        &self,
        asked: &Asked<'_>,
        id: Uuid,
        reserved: Reserved,
        keeping: Option<Keeping>,
        question: Option<Value>,
    ) -> Admitted {
        let headers = self.headers(asked, &reserved.pass, keeping.as_ref().map(|_| "miss"));
        let Reserved {
            place,
            pass,
            drawn,
            call,
        } = reserved;
        let (blocks, caps) = drawn.into_parts();
        let account = Account {
            id,
            tenant_id: asked.tenant_id,
            blocks,
            caps,
            user_id: pass.user_id,
            api_key_id: pass.api_key_id,
            agent_id: pass.agent.as_ref().map(|agent| agent.id),
            agent_version: pass.agent.as_ref().and_then(|agent| agent.version),
        };
        let model = pass
            .agent
            .as_ref()
            .map_or(asked.model, |agent| &agent.model);
        let meter = Meter::new(
            account,
            self.ledger.clone(),
            model.to_owned(),
            call.input_tokens,
            pass.own_keys_to.clone(),
            place,
        );
        Admitted {
            meter: meter.heard_by(Listening::for_those(keeping, question)),
            providers: pass.providers.clone(),
            headers,
        }
    }

    fn headers(&self, asked: &Asked<'_>, pass: &Pass, cache: Option<&'static str>) -> HeaderMap {
        let held = self.ledger.purses.held(asked.tenant_id, &pass.limits);
        let mut headers = pass.least_left(held).headers();
        if let Some(cache) = cache {
            metrics::counter!("aias_edge_answer_cache_total", "outcome" => cache).increment(1);
            headers.insert(CACHE, HeaderValue::from_static(cache));
        }
        headers
    }

    async fn drawn_for(
        &self,
        asked: &Asked<'_>,
        probably: &mut impl FnMut(Option<&Agent>) -> ProbableCall,
    ) -> Result<(Arc<Pass>, Drawn, ProbableCall), ApiError> {
        let tenant_id = asked.tenant_id;
        let key = PassKey {
            claims: asked.session.caller().claims.clone(),
            tenant_id,
            model: asked.model.to_owned(),
            other_models: asked.other_models.to_vec(),
        };
        let mut known = self.known(&key, asked.session);
        // Of its own, that are not counted yet.
        let mut requests = 1;
        for question in 0..MOST_QUESTIONS {
            let probable = probably(known.as_ref().and_then(|pass| pass.agent.as_ref()));
            let wanted = probable.wanted(requests);
            let purses = &self.ledger.purses;
            let missing = match known {
                Some(pass) if !pass.is_capped => match self.draw(tenant_id, wanted, &pass.limits) {
                    Ok(drawn) => return Ok((pass, drawn, probable)),
                    Err(missing) => missing,
                },
                Some(pass) => purses.missing(tenant_id, wanted, &pass.limits),
                None => purses.missing(tenant_id, wanted, &[]),
            };
            // Once, what is left is relied on; then all of it is asked for, and nobody else can take that.
            let missing = match question {
                0 => missing,
                _ => missing.all_of(wanted),
            };
            let call = ForCall {
                probably: probable,
                requests,
            };
            let (pass, drawn) = self.ask(&key, asked.session, missing, call).await?;
            let probable = probably(pass.agent.as_ref());
            if let Some(drawn) = drawn {
                if probable.wanted(0).tokens <= wanted.tokens {
                    return Ok((pass, drawn, probable));
                }
                requests = 0;
            }
            known = Some(pass);
        }
        Err(ApiError::Unavailable(
            "others take the tokens of this tenant faster than they are set aside",
        ))
    }

    /// Admits a chat; one with an agent has become one with its model and role. Where the tenant wants answers to be kept, the same question is
    /// answered from there, to whoever may ask it.
    ///
    /// # Errors
    /// As [`ModelCalls::admit`].
    pub async fn begin_chat(
        &self,
        session: &CallerSession,
        tenant_id: Uuid,
        request: &mut ChatRequest,
        cache: CacheUse,
    ) -> Result<Begun, ApiError> {
        let (model, other_models) = (request.model.clone(), request.fallback_models.clone());
        let asked = Asked {
            session,
            tenant_id,
            model: &model,
            other_models: &other_models,
        };
        let mut is_agents = false;
        let probably = |agent: Option<&Agent>| {
            if let Some(agent) = agent
                && !std::mem::replace(&mut is_agents, true)
            {
                play(request, agent.model.clone(), &agent.config);
            }
            ProbableCall {
                input_tokens: tokens_of_request(request)
                    + agent.map_or(0, |agent| agent.tool_tokens),
                output_tokens: request.max_tokens.unwrap_or(USUAL_OUTPUT).into(),
            }
        };
        let reserved = self.reserve(&asked, probably).await?;
        let pass = &reserved.pass;
        if pass.agent.as_ref().is_some_and(Agent::has_tools) {
            let request = std::mem::take(request);
            return self.begin_conversation(&asked, reserved, request).await;
        }
        let agent_id = pass.agent.as_ref().map(|agent| agent.id);
        let place = match pass.keeps_answers && cache != CacheUse::Never {
            true => CachePlace::of(request, tenant_id, agent_id),
            false => None,
        };
        if let Some(place) = &place
            && cache == CacheUse::Any
            && let Some(answer) = self.cached(session, place).await?
        {
            // What was drawn for it is given back.
            let headers = self.headers(&asked, pass, Some("hit"));
            return Ok(Begun::Answered(Box::new(answer), headers));
        }
        let question = pass.keeps_contents.then(|| CapturedCall::question(request));
        let keeping = place.map(|place| Keeping::new(place, request));
        let admitted = self.admitted(&asked, Uuid::now_v7(), reserved, keeping, question);
        Ok(Begun::Admitted(Box::new(admitted)))
    }

    /// What tools find out is part of the answer, so none is kept for those who ask the same.
    async fn begin_conversation(
        &self,
        asked: &Asked<'_>,
        reserved: Reserved,
        request: ChatRequest,
    ) -> Result<Begun, ApiError> {
        let pass = reserved.pass.clone();
        let Some(agent) = &pass.agent else {
            return Err(ApiError::Internal(anyhow::anyhow!(
                "only agents have tools"
            )));
        };
        let id = Uuid::now_v7();
        let asking = Asking {
            session: asked.session.clone(),
            tenant_id: asked.tenant_id,
            agent_id: agent.id,
            conversation: id,
            vault: self.vault.clone(),
            ways: self.ways.clone(),
        };
        let toolbox = agent_tools::toolbox(asking, &agent.config).await?;
        if let Some(both) = request
            .tools
            .iter()
            .find(|tool| toolbox.get(&tool.name).is_some())
        {
            return Err(ApiError::BadRequest {
                code: "tool_name_taken",
                message: "a tool of the request has the name of one of the agent's own",
                details: Some(format!("give {} another name", both.name)),
            });
        }
        // The table has checked it.
        let limits = Limits::with_rounds(agent.config.get("max_rounds")).unwrap_or_default();
        let mut first = self.admitted(asked, id, reserved, None, None);
        let headers = std::mem::take(&mut first.headers);
        let rounds = Rounds {
            calls: self.clone(),
            session: asked.session.clone(),
            tenant_id: asked.tenant_id,
            model: asked.model.to_owned(),
            other_models: asked.other_models.to_vec(),
            pass,
            id,
            first: Some(Box::new(first)),
            telling: None,
            said: Vec::new(),
        };
        let conversation = Conversation {
            rounds,
            request,
            toolbox,
            limits,
        };
        Ok(Begun::Conversation(Box::new(conversation), headers))
    }

    /// What was answered to the same question, by a tenant's own rows. One that cannot be read any more is not there.
    async fn cached(
        &self,
        session: &CallerSession,
        place: &CachePlace,
    ) -> Result<Option<Completion>, ApiError> {
        let mut transaction = session.begin_as_service().await?;
        let answer = sqlx::query_scalar!(
            "select edge.cached_answer($1, $2)",
            place.tenant_id,
            &place.hash[..]
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(answer.and_then(|answer| serde_json::from_value(answer).ok()))
    }
}

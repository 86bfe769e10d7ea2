// Every suite, one after the other in one process: the stand-in for LLM providers is shared, and one suite makes it fail.
// A suite also runs alone: `node --test tests/e2e/supabase-js/suites/isolation.mjs`.

import './suites/sign_up.mjs'
import './suites/main_path.mjs'
import './suites/invalid_workflow.mjs'
import './suites/isolation.mjs'
import './suites/team.mjs'
import './suites/over_the_plan.mjs'
import './suites/triggers.mjs'
import './suites/own_keys.mjs'
import './suites/tokens.mjs'
import './suites/cancel.mjs'
import './suites/http_faults.mjs'
import './suites/provider_faults.mjs'
import './suites/openai_sdk.mjs'
import './suites/conformance.mjs'
import './suites/restarts.mjs'
import './suites/first_ten_minutes.mjs'

//! The codes of all problems: one enum, from which the documentation is generated.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Severity;

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $text:literal, $severity:ident; )+) => {
        /// Which rule a problem breaks. The text of a code never changes and is never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $( $(#[doc = $doc])+ #[serde(rename = $text)] $variant, )+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$( Code::$variant, )+];

            /// The stable snake_case text.
            pub const fn as_str(self) -> &'static str {
                match self { $( Code::$variant => $text, )+ }
            }

            /// The severity that problems with this code have.
            pub const fn severity(self) -> Severity {
                match self { $( Code::$variant => Severity::$severity, )+ }
            }

            /// What the code means, as one line of text.
            pub fn meaning(self) -> String {
                match self { $( Code::$variant => concat!($($doc),+).trim().to_owned(), )+ }
            }
        }
    };
}

codes! {
    /// The JSON has not the shape of a workflow: `nodes` or `connections` is not an array, an entry is not an object, or a field that everything else depends on is missing or of another type.
    BadShape = "bad_shape", Error;
    /// The text is not JSON.
    NotJson = "not_json", Error;
    /// The workflow exceeds a size limit: nodes, connections, bytes, depth, or the length of a string or an expression.
    TooLarge = "too_large", Error;
    /// There are more problems than are listed.
    TooManyProblems = "too_many_problems", Error;
    /// A node has no `id`, or an empty one.
    MissingId = "missing_id", Error;
    /// Two nodes have the same `id`.
    DuplicateId = "duplicate_id", Error;
    /// `type` is none of trigger, action, condition, ai_processing.
    UnknownType = "unknown_type", Error;
    /// `config.kind` is none of those that the node's type has.
    UnknownKind = "unknown_kind", Error;
    /// The kind is known but this release cannot run it, so a workflow with it cannot be activated.
    KindNotRunnable = "kind_not_runnable", Error;
    /// A required field is missing.
    MissingField = "missing_field", Error;
    /// A field is not one of those that the kind has.
    UnknownField = "unknown_field", Error;
    /// A field has another JSON type than its schema says.
    WrongType = "wrong_type", Error;
    /// A number, a length or a count is outside its bounds.
    OutOfRange = "out_of_range", Error;
    /// A value is not one of those allowed, or has not the form that its schema asks for.
    InvalidValue = "invalid_value", Error;
    /// A cron expression cannot be parsed, or never matches.
    InvalidCron = "invalid_cron", Error;
    /// The time zone is not in the IANA database.
    UnknownTimezone = "unknown_timezone", Error;
    /// `input_schema` or `output_schema` is not a JSON schema that compiles.
    InvalidSchema = "invalid_schema", Error;
    /// `agent_version` is not the number of a version, 1 or more, or there is no `agent_id` beside it.
    InvalidAgentVersion = "invalid_agent_version", Error;
    /// There is no trigger.
    MissingTrigger = "missing_trigger", Error;
    /// There is more than one trigger.
    SecondTrigger = "second_trigger", Error;
    /// No path leads from the trigger to the node.
    UnreachableNode = "unreachable_node", Error;
    /// The edges form a cycle; the message names its path.
    Cycle = "cycle", Error;
    /// An edge leads from a node to itself.
    SelfLoop = "self_loop", Error;
    /// An edge names a node that does not exist.
    UnknownNode = "unknown_node", Error;
    /// Two edges have the same source, handle and target.
    DuplicateEdge = "duplicate_edge", Error;
    /// An edge leads into the trigger.
    EdgeIntoTrigger = "edge_into_trigger", Error;
    /// An edge leaves a condition without saying by which handle.
    MissingHandle = "missing_handle", Error;
    /// The handle of an edge is none of those that its source has.
    UnknownHandle = "unknown_handle", Error;
    /// An edge has a handle although its source does not branch.
    UnexpectedHandle = "unexpected_handle", Error;
    /// Two cases of a switch have the same handle, or one has a handle that is reserved.
    DuplicateHandle = "duplicate_handle", Error;
    /// A branch that must lead somewhere has no edge: `default` of a switch, `error` of a step with `on_error: branch`, or both branches of an `if`.
    MissingBranch = "missing_branch", Error;
    /// A branch has no edge, so the run ends there: one branch of an `if` or of an approval, or a case of a switch.
    UnusedBranch = "unused_branch", Warning;
    /// A template or an expression cannot be parsed.
    InvalidExpression = "invalid_expression", Error;
    /// A condition contains `{{ }}`; it is an expression already.
    BracesInExpression = "braces_in_expression", Error;
    /// An expression names a variable that is not in scope.
    UnknownVariable = "unknown_variable", Error;
    /// An expression names a property that its object never has.
    UnknownProperty = "unknown_property", Error;
    /// An expression uses a filter that does not exist.
    UnknownFilter = "unknown_filter", Error;
    /// An expression uses a test (`is ...`) that does not exist.
    UnknownTest = "unknown_test", Error;
    /// An expression calls a function that does not exist.
    UnknownFunction = "unknown_function", Error;
    /// An expression refers to a step that does not exist.
    UnknownStep = "unknown_step", Error;
    /// An expression refers to a step that does not come before this node.
    StepNotBefore = "step_not_before", Error;
    /// An expression refers to a step that some runs skip although they come to this node.
    StepNotSure = "step_not_sure", Error;
    /// An expression looks up a step by a computed name, which cannot be checked.
    DynamicStep = "dynamic_step", Warning;
    /// A secret is used in a field that may not hold one.
    SecretNotAllowed = "secret_not_allowed", Error;
    /// A field that is not rendered contains `{{ }}`.
    TemplateNotRendered = "template_not_rendered", Warning;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The documentation of all codes: the text of `CODES.md`.
pub fn codes_markdown() -> String {
    let mut text = String::from(
        "# Problem codes\n\n\
         Generated from the enum `Code`; a test keeps the two equal. \
         A workflow with a problem of severity `error` cannot become active.\n\n\
         | code | severity | meaning |\n| --- | --- | --- |\n",
    );
    for code in Code::ALL {
        text.push_str(&format!(
            "| `{code}` | {} | {} |\n",
            code.severity(),
            code.meaning()
        ));
    }
    text
}

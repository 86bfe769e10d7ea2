//! How large a workflow may be. Validation takes bounded time and stack within these bounds,
//! and refuses what exceeds them before it looks any further.

/// Nodes of one workflow.
pub const MAX_NODES: usize = 1_000;
/// Edges of one workflow.
pub const MAX_CONNECTIONS: usize = 5_000;
/// Bytes of all keys and strings, plus a few for every number, array and object.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Levels of arrays and objects within one node or connection.
pub const MAX_DEPTH: usize = 32;
/// Bytes of one string.
pub const MAX_STRING: usize = 64 * 1024;
/// Bytes of one expression: a condition, or what stands between `{{` and `}}`.
pub const MAX_EXPRESSION: usize = 4 * 1024;
/// Operators, calls and brackets that may be nested in one expression.
pub const MAX_EXPRESSION_DEPTH: usize = 160;
/// Tags (`{{ }}` and `{% %}`) in one template.
pub const MAX_TAGS: usize = 200;
/// Bytes of one `input_schema` or `output_schema`.
pub const MAX_SCHEMA: usize = 32 * 1024;
/// Patterns in all `input_schema`s and `output_schema`s of one workflow: compiling one costs as much
/// as checking a hundred nodes.
pub const MAX_PATTERNS: usize = 256;
/// Problems that are listed before the list ends with `too_many_problems`.
pub const MAX_PROBLEMS: usize = 500;

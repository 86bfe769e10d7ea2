//! Walks minijinja's syntax tree. Its depth is bounded before it is built, so that recursion is
//! safe.

use minijinja::Error;
use minijinja::machinery::ast::{CallArg, Expr, Stmt};
use minijinja::machinery::{parse, parse_expr};

use super::{Findings, Guard, Key, Keys, Unknown, Variable};
use crate::expression::{FUNCTIONS, LOOP_METHODS, Shape, is_filter, is_test};

pub(crate) fn analyse(text: &str, shape: Shape, findings: &mut impl Findings) -> Result<(), Error> {
    let mut walk = Walk {
        locals: Vec::new(),
        findings,
    };
    match shape {
        Shape::Expression => walk.expression(&parse_expr(text)?),
        Shape::Template => walk.statement(&parse(text, "", Default::default())?),
    }
    Ok(())
}

struct Walk<'w, F> {
    /// Names that the text itself declares, innermost last.
    locals: Vec<String>,
    findings: &'w mut F,
}

impl<F: Findings> Walk<'_, F> {
    fn statements(&mut self, list: &[Stmt<'_>]) {
        for statement in list {
            self.statement(statement);
        }
    }

    /// Statements whose declarations end with them.
    fn scoped(&mut self, list: &[Stmt<'_>]) {
        let before = self.locals.len();
        self.statements(list);
        self.locals.truncate(before);
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(each) => {
                if each.recursive {
                    self.findings
                        .unsupported("recursive loops are not supported");
                }
                self.expression(&each.iter);
                let before = self.locals.len();
                self.declare(&each.target);
                self.locals.push("loop".to_owned());
                self.maybe(each.filter_expr.as_ref());
                self.statements(&each.body);
                self.locals.truncate(before);
                self.scoped(&each.else_body);
            }
            Stmt::IfCond(branch) => {
                // What is set in a branch stays set behind it.
                self.expression(&branch.expr);
                self.statements(&branch.true_body);
                self.statements(&branch.false_body);
            }
            Stmt::WithBlock(with) => {
                let before = self.locals.len();
                for (target, value) in &with.assignments {
                    self.expression(value);
                    self.declare(target);
                }
                self.statements(&with.body);
                self.locals.truncate(before);
            }
            Stmt::Set(set) => {
                self.expression(&set.expr);
                self.declare(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.scoped(&set.body);
                self.maybe(set.filter.as_ref());
                self.declare(&set.target);
            }
            Stmt::AutoEscape(escape) => {
                self.expression(&escape.enabled);
                self.scoped(&escape.body);
            }
            Stmt::FilterBlock(filter) => {
                self.scoped(&filter.body);
                self.expression(&filter.filter);
            }
            Stmt::Do(call) => {
                self.callee(&call.call.expr);
                self.arguments(&call.call.args);
            }
        }
    }

    fn declare(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(variable) => self.locals.push(variable.id.to_owned()),
            Expr::List(list) => list.items.iter().for_each(|item| self.declare(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.declare(item)),
            // `set namespace.name` changes what exists.
            other => self.expression(other),
        }
    }

    fn maybe(&mut self, expression: Option<&Expr<'_>>) {
        if let Some(expression) = expression {
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => {
                self.path(expression, Guard::None);
            }
            Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                self.maybe(slice.start.as_ref());
                self.maybe(slice.stop.as_ref());
                self.maybe(slice.step.as_ref());
            }
            Expr::UnaryOp(op) => self.expression(&op.expr),
            Expr::BinOp(op) => {
                self.expression(&op.left);
                self.expression(&op.right);
            }
            Expr::Compare(compare) => {
                self.expression(&compare.expr);
                compare.ops.iter().for_each(|op| self.expression(&op.expr));
            }
            Expr::IfExpr(branch) => {
                self.expression(&branch.test_expr);
                self.expression(&branch.true_expr);
                self.maybe(branch.false_expr.as_ref());
            }
            Expr::Filter(filter) => {
                if !is_filter(filter.name) {
                    self.findings.unknown(Unknown::Filter, filter.name);
                }
                if let Some(operand) = &filter.expr {
                    let guard = match filter.name {
                        "default" | "d" => Guard::Default,
                        _ => Guard::None,
                    };
                    self.guarded(operand, guard);
                }
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                if !is_test(test.name) {
                    self.findings.unknown(Unknown::Test, test.name);
                }
                let guard = match test.name {
                    "defined" | "undefined" | "none" => Guard::Test,
                    _ => Guard::None,
                };
                self.guarded(&test.expr, guard);
                self.arguments(&test.args);
            }
            Expr::Call(call) => {
                self.callee(&call.expr);
                self.arguments(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => {
                map.keys.iter().for_each(|key| self.expression(key));
                map.values.iter().for_each(|value| self.expression(value));
            }
        }
    }

    fn guarded(&mut self, operand: &Expr<'_>, guard: Guard) {
        match operand {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.path(operand, guard),
            other => self.expression(other),
        }
    }

    fn arguments(&mut self, list: &[CallArg<'_>]) {
        for argument in list {
            match argument {
                CallArg::Pos(value) | CallArg::Kwarg(_, value) => self.expression(value),
                CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                    let message = "arguments with `*` or `**` are not supported";
                    self.findings.unsupported(message);
                    self.expression(value);
                }
            }
        }
    }

    fn callee(&mut self, callee: &Expr<'_>) {
        match callee {
            Expr::Var(variable) if FUNCTIONS.contains(&variable.id) => {}
            Expr::Var(variable) => self.findings.unknown(Unknown::Function, variable.id),
            Expr::GetAttr(attribute) => {
                let is_loop = matches!(&attribute.expr, Expr::Var(v) if v.id == "loop");
                if !(is_loop && self.is_local("loop") && LOOP_METHODS.contains(&attribute.name)) {
                    self.findings.method(attribute.name);
                }
                self.expression(&attribute.expr);
            }
            other => {
                self.findings.unsupported("only functions can be called");
                self.expression(other);
            }
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|local| local == name)
    }

    /// A variable with the lookups behind it, or lookups in something else.
    fn path(&mut self, expression: &Expr<'_>, guard: Guard) {
        // From the outside in, as the tree has it.
        let mut lookups = Vec::new();
        let mut at = expression;
        let base = loop {
            match at {
                Expr::GetAttr(attribute) => {
                    lookups.push(Key::Name(attribute.name));
                    at = &attribute.expr;
                }
                Expr::GetItem(item) => {
                    let name = match &item.subscript_expr {
                        Expr::Const(constant) => constant.value.as_str(),
                        other => {
                            self.expression(other);
                            None
                        }
                    };
                    lookups.push(name.map_or(Key::Computed, Key::Name));
                    at = &item.expr;
                }
                base => break base,
            }
        };
        let Expr::Var(variable) = base else {
            return self.expression(base);
        };
        if self.is_local(variable.id) {
            return;
        }
        if lookups.is_empty() && FUNCTIONS.contains(&variable.id) {
            return;
        }
        let mut keys = Keys::new();
        lookups.iter().rev().for_each(|key| keys.push(*key));
        self.findings.variable(&Variable {
            name: variable.id,
            keys,
            guard,
        });
    }
}

//! Compiles a text to minijinja's instructions, and adds to them what bounds their cost.
//!
//! minijinja charges an operation for the items it touches, not for what those hold. A value that
//! holds another one several times, levels deep, costs next to nothing to build and for ever to
//! compare, to print or to drop. So every operation that can build such a value is followed by one
//! that charges for all that its result holds and limits its depth, and every operation that goes
//! through whole values is preceded by one. See [`super::weight`].

use std::collections::BTreeMap;

use minijinja::machinery::{
    CodeGenerator, Instruction, Instructions, eval, make_string_output, parse, parse_expr,
};
use minijinja::{AutoEscape, Error, ErrorKind, Value};
use self_cell::self_cell;

use super::Shape;
use super::environment::{ENVIRONMENT, LOOP_METHODS};
use super::error::ExpressionError;
use super::json::Budget;
use super::lenient::{PATH_FILTER, lenient};
use super::weight::{FILTER, TEST, WEIGH};

self_cell!(
    /// A compiled text, together with the source that it points into.
    pub(super) struct Program {
        owner: Box<str>,
        #[covariant]
        dependent: Instructions,
    }
);

impl Program {
    /// Compiles a text whose depth has been checked.
    pub(super) fn compile(source: &str, shape: Shape) -> Result<Program, Error> {
        let source: Box<str> = lenient(source, shape).into();
        Program::try_new(source, |source| {
            let mut generator = CodeGenerator::new("", source);
            match shape {
                Shape::Expression => generator.compile_expr(&parse_expr(source)?),
                Shape::Template => {
                    generator.compile_stmt(&parse(source, "", Default::default())?);
                }
            }
            weighed(&generator.finish().0)
        })
    }

    /// The value of an expression.
    pub(super) fn value(&self, root: Value, budget: &mut Budget) -> Result<Value, ExpressionError> {
        let mut text = String::new();
        let value = self.run(root, &mut text, budget)?;
        Ok(value.unwrap_or(Value::UNDEFINED))
    }

    /// The text that a template renders to.
    pub(super) fn text(&self, root: Value, budget: &mut Budget) -> Result<String, ExpressionError> {
        let mut text = String::new();
        self.run(root, &mut text, budget)?;
        budget.take(text.len())?;
        Ok(text)
    }

    fn run(
        &self,
        root: Value,
        text: &mut String,
        budget: &mut Budget,
    ) -> Result<Option<Value>, ExpressionError> {
        let blocks = BTreeMap::new();
        let mut out = make_string_output(text);
        let (value, state) = eval(
            &ENVIRONMENT,
            self.borrow_dependent(),
            root,
            &blocks,
            &mut out,
            AutoEscape::None,
        )
        .map_err(|error| ExpressionError::from_minijinja(&error))?;
        budget.burn(state.fuel_levels().map_or(0, |(consumed, _)| consumed))?;
        Ok(value)
    }
}

/// Filters and tests that are loaded once per run; all others go through these.
const WEIGH_ID: u8 = 0;
const FILTER_ID: u8 = 1;
const PATH_ID: u8 = 2;
const TEST_ID: u8 = 0;

/// The same instructions with the weighing ones put in.
fn weighed<'a>(plain: &Instructions<'a>) -> Result<Instructions<'a>, Error> {
    let list: Vec<&Instruction<'a>> = (0..).map_while(|index| plain.get(index)).collect();
    // Where each instruction, with all that is put before it, begins.
    let mut starts = Vec::with_capacity(list.len() + 1);
    let mut next = 0_u32;
    for instruction in &list {
        starts.push(next);
        next += Weighed::of(instruction)?.count();
    }
    starts.push(next);
    let moved = |target: u32| {
        let past_the_end = next;
        starts.get(target as usize).copied().unwrap_or(past_the_end)
    };

    let mut result = Instructions::new(plain.name(), plain.source());
    for (index, instruction) in (0_u32..).zip(list) {
        let weighed = Weighed::of(instruction)?;
        let mut add =
            |instruction: Instruction<'a>| match (plain.get_span(index), plain.get_line(index)) {
                (Some(span), _) => result.add_with_span(instruction, span),
                (None, Some(line)) => {
                    result.add_with_line(instruction, u16::try_from(line).unwrap_or(0))
                }
                (None, None) => result.add(instruction),
            };
        let weigh = || Instruction::ApplyFilter(WEIGH, Some(1), WEIGH_ID);
        match weighed {
            Weighed::Call {
                name,
                arguments,
                is_test,
            } => {
                add(Instruction::LoadConst(Value::from(name)));
                add(if is_test {
                    Instruction::PerformTest(TEST, Some(arguments + 1), TEST_ID)
                } else {
                    Instruction::ApplyFilter(FILTER, Some(arguments + 1), FILTER_ID)
                });
            }
            Weighed::Operands => {
                add(weigh());
                add(Instruction::Swap);
                add(weigh());
                add(Instruction::Swap);
                add(instruction.clone());
            }
            Weighed::Result => {
                add(instruction.clone());
                add(weigh());
            }
            Weighed::Nothing => {
                add(match instruction {
                    Instruction::Jump(to) => Instruction::Jump(moved(*to)),
                    Instruction::JumpIfFalse(to) => Instruction::JumpIfFalse(moved(*to)),
                    Instruction::JumpIfFalseOrPop(to) => Instruction::JumpIfFalseOrPop(moved(*to)),
                    Instruction::JumpIfTrueOrPop(to) => Instruction::JumpIfTrueOrPop(moved(*to)),
                    Instruction::Iterate(to) => Instruction::Iterate(moved(*to)),
                    Instruction::ApplyFilter(name, count, _) => {
                        Instruction::ApplyFilter(name, *count, PATH_ID)
                    }
                    other => other.clone(),
                });
            }
        }
    }
    Ok(result)
}

/// What has to be weighed at an instruction.
enum Weighed<'a> {
    /// All arguments and the result: filters and tests.
    Call {
        name: &'a str,
        arguments: u16,
        is_test: bool,
    },
    /// Both operands, since they are compared.
    Operands,
    /// The result, since it is a new value that holds others.
    Result,
    Nothing,
}

impl<'a> Weighed<'a> {
    fn of(instruction: &Instruction<'a>) -> Result<Weighed<'a>, Error> {
        Ok(match instruction {
            Instruction::ApplyFilter(PATH_FILTER, Some(_), _) => Weighed::Nothing,
            Instruction::ApplyFilter(name, Some(count), _) if *count < u16::MAX => Weighed::Call {
                name,
                arguments: *count,
                is_test: false,
            },
            Instruction::PerformTest(name, Some(count), _) if *count < u16::MAX => Weighed::Call {
                name,
                arguments: *count,
                is_test: true,
            },
            Instruction::ApplyFilter(..)
            | Instruction::PerformTest(..)
            | Instruction::CallFunction(_, None)
            | Instruction::UnpackLists(_)
            | Instruction::MergeKwargs(_) => {
                return Err(unsupported("arguments with `*` or `**` are not supported"));
            }
            Instruction::CallMethod(name, Some(_)) if LOOP_METHODS.contains(name) => {
                Weighed::Nothing
            }
            Instruction::CallMethod(..) | Instruction::CallObject(_) => {
                return Err(unsupported("values have no methods; use filters"));
            }
            Instruction::PushLoop(flags) if flags & RECURSIVE != 0 => {
                return Err(unsupported("recursive loops are not supported"));
            }
            Instruction::CallFunction("range", _) => Weighed::Nothing,
            Instruction::CallFunction(..)
            | Instruction::BuildList(_)
            | Instruction::BuildTuple(_)
            | Instruction::BuildMap(_)
            | Instruction::Add
            | Instruction::Mul
            | Instruction::Slice => Weighed::Result,
            Instruction::Eq
            | Instruction::Ne
            | Instruction::Gt
            | Instruction::Gte
            | Instruction::Lt
            | Instruction::Lte
            | Instruction::In
            | Instruction::CompareAndPreserve(_) => Weighed::Operands,
            _ => Weighed::Nothing,
        })
    }

    fn count(&self) -> u32 {
        match self {
            Weighed::Call { .. } | Weighed::Result => 2,
            Weighed::Operands => 5,
            Weighed::Nothing => 1,
        }
    }
}

/// The flag of `PushLoop` for `{% for ... recursive %}`.
const RECURSIVE: u8 = 2;

fn unsupported(message: &'static str) -> Error {
    Error::new(ErrorKind::SyntaxError, message)
}

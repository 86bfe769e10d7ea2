//! The tools of one agent.

use std::collections::BTreeMap;
use std::fmt;

use crate::Tool;

/// Tools by their names.
#[derive(Default)]
pub struct Toolbox<'t> {
    tools: BTreeMap<String, Box<dyn Tool + 't>>,
}

/// Two tools cannot have one name: nobody could say which of them a model means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SameName(pub String);

impl<'t> Toolbox<'t> {
    /// # Errors
    /// When there is a tool of this name already.
    pub fn add(&mut self, tool: Box<dyn Tool + 't>) -> Result<(), SameName> {
        let name = tool.declaration().name.clone();
        if self.tools.contains_key(&name) {
            return Err(SameName(name));
        }
        self.tools.insert(name, tool);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&(dyn Tool + 't)> {
        self.tools.get(name).map(AsRef::as_ref)
    }

    /// What a model is told of them.
    pub fn declarations(&self) -> impl Iterator<Item = &llm::Tool> {
        self.tools.values().map(|tool| tool.declaration())
    }
}

impl fmt::Debug for Toolbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.tools.keys()).finish()
    }
}

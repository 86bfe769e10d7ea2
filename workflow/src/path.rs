//! A place in the document, kept on the stack while walking and written out only for a problem.

use std::fmt::Write;

/// A JSON pointer (RFC 6901), as a list from the inside out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    outer: Option<&'a Path<'a>>,
    token: Token<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Token<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(crate) const NODES: Path<'static> = Path::root("nodes");
    pub(crate) const CONNECTIONS: Path<'static> = Path::root("connections");

    const fn root(name: &str) -> Path<'_> {
        Path {
            outer: None,
            token: Token::Key(name),
        }
    }

    pub(crate) fn key(&'a self, name: &'a str) -> Path<'a> {
        Path {
            outer: Some(self),
            token: Token::Key(name),
        }
    }

    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        Path {
            outer: Some(self),
            token: Token::Index(index),
        }
    }

    /// Whether the place lies in the field `name` of a node's config, or is it.
    pub(crate) fn is_in_config_field(&self, name: &str) -> bool {
        let mut place = Some(self);
        while let Some(path) = place {
            if let Some(outer) = path.outer
                && outer.is_config()
            {
                return matches!(path.token, Token::Key(key) if key == name);
            }
            place = path.outer;
        }
        false
    }

    /// `/nodes/<index>/config`, and no deeper place of that name.
    fn is_config(&self) -> bool {
        matches!(self.token, Token::Key("config"))
            && self
                .outer
                .is_some_and(|node| node.outer.is_some_and(|nodes| nodes.outer.is_none()))
    }

    pub(crate) fn pointer(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        if let Some(outer) = self.outer {
            outer.write(text);
        }
        text.push('/');
        match self.token {
            Token::Key(name) if name.contains(['~', '/']) => {
                text.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Token::Key(name) => text.push_str(name),
            Token::Index(index) => {
                // Writing to a string cannot fail.
                let _ = write!(text, "{index}");
            }
        }
    }
}

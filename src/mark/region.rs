//! A region's name, and its block where it is given one.
//!
//! Must not know: notes.

use std::ops::RangeInclusive;

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use crate::failure::Failure;

/// What is said of anything else.
const USAGE: &str =
    "a region is `region!(\"name\")`, or `region!(\"name\", { … })` with the block that is meant";

/// A region: the whole of a block, or the rest of the one that the mark stands in.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) name: String,
    block: Option<Group>,
}

impl Region {
    pub(crate) fn find(input: TokenStream) -> Result<Region, Failure> {
        let mut tokens = input.into_iter();
        let wrong = |token: Option<&TokenTree>| {
            Failure::new(token.map_or_else(Span::call_site, TokenTree::span), USAGE)
        };
        let first = tokens.next();
        let name = first
            .as_ref()
            .and_then(name)
            .ok_or_else(|| wrong(first.as_ref()))?;
        let comma = tokens.next();
        match &comma {
            None => return Ok(Region { name, block: None }),
            Some(TokenTree::Punct(punct)) if punct.as_char() == ',' => {}
            other => return Err(wrong(other.as_ref())),
        }
        match (tokens.next(), tokens.next()) {
            (None, _) => Ok(Region { name, block: None }),
            (Some(TokenTree::Group(block)), None) if block.delimiter() == Delimiter::Brace => Ok(Region {
                name,
                block: Some(block),
            }),
            (Some(_), Some(more)) => Err(wrong(Some(&more))),
            (other, None) => Err(wrong(other.as_ref())),
        }
    }

    /// From the mark to the end of its block; `None` where the block is not given.
    pub(crate) fn lines(&self) -> Option<RangeInclusive<usize>> {
        let block = self.block.as_ref()?;
        let lines = Span::call_site().start().line()..=block.span_close().end().line();
        (!lines.is_empty()).then_some(lines)
    }

    /// The block with `first` at its head; without one a statement.
    pub(crate) fn with(self, first: TokenStream) -> TokenStream {
        let Some(block) = self.block else { return first };
        let mut inside = first;
        inside.extend(block.stream());
        let mut marked = Group::new(Delimiter::Brace, inside);
        marked.set_span(block.span());
        TokenTree::Group(marked).into()
    }
}

/// What a plain string says, without escapes: `"load"`.
fn name(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let text = literal.to_string();
    let name = text.strip_prefix('"')?.strip_suffix('"')?;
    (!name.is_empty() && !name.contains('\\')).then(|| name.to_owned())
}

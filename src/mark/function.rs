//! A function found among the tokens of an item.
//!
//! Must not know: notes. It changes nothing but the beginning of the body, and every token keeps its place in the
//! source, so that errors and debug information are those of the function as it was written.
//!
//! ```text
//! #[inline] pub(crate) async fn work<T>(n: T) -> u32 where T: Copy { n }
//! └─ skipped ────────────────┘ └┬┘ └name                            └┬──┘
//!   attributes, visibility    keyword                       the last token: the body
//! ```

use std::ops::RangeInclusive;

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::failure::Failure;

/// What is said of structs, modules, functions without a body.
const NO_FUNCTION: &str = "`profile` marks functions that have a body";

/// A function: its tokens in front of the body, and the body.
#[derive(Debug)]
pub(crate) struct Function {
    head: Vec<TokenTree>,
    name: Ident,
    body: Group,
}

impl Function {
    pub(crate) fn find(item: TokenStream) -> Result<Function, Failure> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let first = head.first().map_or_else(Span::call_site, TokenTree::span);
        let no_function = |at| Failure::new(at, NO_FUNCTION);
        let name = name(&head).ok_or_else(|| no_function(first))?;
        let last = head.pop().ok_or_else(|| no_function(first))?;
        let body = braces(&last).ok_or_else(|| no_function(last.span()))?;
        Ok(Function { head, name, body })
    }

    /// The name as debug information has it: that of the code which is the body. An `async fn` itself only makes the
    /// future, whose code is called `work::{async_fn#0}`.
    pub(crate) fn name(&self) -> String {
        let name = self.name.to_string();
        let name = name.strip_prefix("r#").unwrap_or(&name);
        let is_async = self
            .head
            .iter()
            .any(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "async"));
        if is_async {
            format!("{name}::{{async_fn#0}}")
        } else {
            name.to_owned()
        }
    }

    /// From the attribute to the end of the body; `None` where a macro put the function together from several places.
    pub(crate) fn lines(&self) -> Option<RangeInclusive<usize>> {
        let (mark, name, end) = (Span::call_site(), self.name.span(), self.body.span_close());
        let one_file = mark.file() == name.file() && name.file() == end.file();
        let lines = mark.start().line()..=end.end().line();
        (one_file && lines.contains(&name.start().line())).then_some(lines)
    }

    /// The function with `first` at the head of its body.
    pub(crate) fn with(self, first: TokenStream) -> TokenStream {
        let mut statements = inner_attributes(&self.body);
        let rest = self.body.stream().into_iter().skip(statements.len());
        let rest: Vec<TokenTree> = rest.collect();
        statements.extend(first);
        statements.extend(rest);
        let mut body = Group::new(Delimiter::Brace, statements.into_iter().collect());
        body.set_span(self.body.span());
        self.head.into_iter().chain([TokenTree::Group(body)]).collect()
    }
}

/// What follows the first `fn` outside of brackets, if nothing but what may stand in front of one does.
fn name(item: &[TokenTree]) -> Option<Ident> {
    let mut tokens = item.iter();
    loop {
        match tokens.next()? {
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "fn" => break,
                "pub" | "crate" | "default" | "const" | "async" | "unsafe" | "safe" | "extern" | "gen" => {}
                _ => return None,
            },
            // `#`; the name of an ABI; `[…]`, `(crate)`, or what a macro was given.
            TokenTree::Punct(_) | TokenTree::Literal(_) | TokenTree::Group(_) => {}
        }
    }
    match tokens.next()? {
        TokenTree::Ident(name) => Some(name.clone()),
        // A macro's `$name`.
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            match group.stream().into_iter().next()? {
                TokenTree::Ident(name) => Some(name),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A block; a macro's `$body` is one inside of invisible brackets.
fn braces(token: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else {
        return None;
    };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => {
            let mut inside = group.stream().into_iter();
            let (first, more) = (inside.next()?, inside.next());
            if more.is_some() { None } else { braces(&first) }
        }
        Delimiter::Parenthesis | Delimiter::Bracket => None,
    }
}

/// `#![…]` at the head of a body, which nothing may stand in front of.
fn inner_attributes(body: &Group) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let is = |token: Option<&TokenTree>, wanted| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
    let mut end = 0;
    while is(tokens.get(end), '#') && is(tokens.get(end + 1), '!') {
        end += 3;
    }
    tokens.into_iter().take(end).collect()
}

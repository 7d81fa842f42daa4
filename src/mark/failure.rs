//! What is said about tokens that cannot be marked: an error of the compiler's, at their place.
//!
//! Must not know: why.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// Why tokens cannot be marked.
#[derive(Debug)]
pub(crate) struct Failure {
    at: Span,
    message: String,
}

impl Failure {
    pub(crate) fn new(at: Span, message: impl Into<String>) -> Failure {
        Failure {
            at,
            message: message.into(),
        }
    }

    /// `::core::compile_error! { "message" }`, at the place of what is wrong.
    pub(crate) fn tokens(&self) -> TokenStream {
        let colon = |spacing| TokenTree::Punct(Punct::new(':', spacing));
        let path = |name| {
            [
                colon(Spacing::Joint),
                colon(Spacing::Alone),
                TokenTree::Ident(Ident::new(name, self.at)),
            ]
        };
        let message = TokenTree::Literal(Literal::string(&self.message));
        let bang = TokenTree::Punct(Punct::new('!', Spacing::Alone));
        let braces = TokenTree::Group(Group::new(Delimiter::Brace, message.into()));
        let tokens = path("core")
            .into_iter()
            .chain(path("compile_error"))
            .chain([bang, braces]);
        tokens
            .map(|mut token| {
                token.set_span(self.at);
                token
            })
            .collect()
    }
}

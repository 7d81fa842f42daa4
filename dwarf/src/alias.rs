//! Functions by another symbol of theirs.
//!
//! Must not know: how functions are found by name.
//!
//! Debug information has one name for a function; the symbol table may have more. What a pattern did not find is
//! looked up there: the symbol's address, the other symbols at it, and the functions with those names that begin
//! at that address.

use crate::function::{Found, Function, Instance, Query};
use crate::image::Image;
use crate::pattern::Pattern;
use crate::symbols;

/// Adds what the patterns that selected nothing find as symbols, and takes those that find something out of
/// `unmatched`; `search` finds functions by name.
pub(crate) fn add<E>(
    found: &mut Found,
    query: &Query,
    unmatched: &mut Vec<&Pattern>,
    images: &[&Image],
    search: impl Fn(&Query) -> Result<Found, E>,
) -> Result<(), E> {
    let mut still = Vec::new();
    for &pattern in unmatched.iter() {
        let Some(name) = pattern.symbol_name() else {
            still.push(pattern);
            continue;
        };
        let mut is_alias = false;
        for (address, names) in symbols::aliases(images, name) {
            if names.is_empty() {
                continue;
            }
            let patterns = names.iter().map(|name| pattern.for_symbol(name)).collect();
            let others = Query {
                patterns,
                exclude: query.exclude.clone(),
                files: Vec::new(),
            };
            for mut function in search(&others)?.functions {
                function.instances.retain(|instance| instance.entry == address);
                if !function.instances.is_empty() {
                    is_alias = true;
                    merge(&mut found.functions, function);
                }
            }
        }
        if !is_alias {
            still.push(pattern);
        }
    }
    *unmatched = still;
    found
        .functions
        .sort_by_key(|function| function.instances.first().map(|instance| instance.entry));
    Ok(())
}

/// Adds the function, or its instances that are not there yet.
fn merge(functions: &mut Vec<Function>, function: Function) {
    let known = functions
        .iter_mut()
        .find(|known| known.name == function.name && known.declaration == function.declaration);
    match known {
        None => functions.push(function),
        Some(known) => {
            let missing = |new: &Instance| known.instances.iter().all(|old| old.entry != new.entry);
            let new: Vec<Instance> = function.instances.into_iter().filter(missing).collect();
            known.instances.extend(new);
            known.instances.sort_by_key(|instance| instance.entry);
        }
    }
}

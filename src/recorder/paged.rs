//! A sparse vector: a slot for every index, memory only for the neighbourhoods in use.
//!
//! Must not know: what it holds.
//!
//! A thread needs a few numbers for each line it ran, out of all lines of the plan: with a thousand threads a full
//! vector each is gigabytes, and a hash costs more than the two loads here.

const PAGE: usize = 32;

/// Slots that begin as `T::default()`.
#[derive(Debug, Clone)]
pub(super) struct Paged<T> {
    pages: Vec<Option<Box<[T; PAGE]>>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Paged<T> {
        Paged { pages: Vec::new() }
    }
}

impl<T: Copy + Default> Paged<T> {
    pub(super) fn slot(&mut self, index: usize) -> &mut T {
        let page = index / PAGE;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([T::default(); PAGE]));
        &mut page[index % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_their_values() {
        let mut slots = Paged::<u32>::default();
        for index in [0, 31, 32, 100_000] {
            *slots.slot(index) += index as u32;
        }
        assert_eq!(
            [0, 31, 32, 33, 100_000].map(|index| *slots.slot(index)),
            [0, 31, 32, 0, 100_000]
        );
    }
}

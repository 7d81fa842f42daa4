//! Placeholder until the library's first module lands.

//! Who may trace this process.
//!
//! Must not know: what is traced.
//!
//! Source: prctl(2), `PR_SET_PTRACER`; Documentation/admin-guide/LSM/Yama.rst. Where `ptrace_scope` is 1 only a
//! process's ancestors may trace it, and the one that it names here with the descendants of that one.

/// Lets the processes that this one starts trace it, where the kernel forbids that; a permission that was given to
/// another process is taken back.
///
/// Nothing happens where the kernel does not forbid it, and where it forbids it to all.
pub fn let_descendants_trace() {
    let own = libc::c_ulong::from(std::process::id());
    // SAFETY: the request reads its arguments by value.
    // EINVAL without Yama: then nothing has to be allowed.
    let _not_needed = unsafe { libc::prctl(libc::PR_SET_PTRACER, own, 0, 0, 0) };
}

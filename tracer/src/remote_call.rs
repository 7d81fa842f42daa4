//! A system call run by a stopped tracee, after which it is as it was.
//!
//! Must not know: what the call is for.
//!
//! The tracee must be in a signal-delivery-stop in user mode: nothing is interrupted, so there is
//! nothing to restart. All its signals are held meanwhile; both its mask and its registers are put back.
//! CRIU's compel and rr's AutoRemoteSyscalls do the same.

use crate::addr::RemoteAddr;
use crate::arch::{Registers, SYSCALL_INSTRUCTION};
use crate::decode::{Stop, decode};
use crate::ids::Tid;
use crate::parked::Parked;
use crate::sys::{Answer, Go, Kernel, Signal};
use nix::errno::Errno;

/// Where the tracees of one memory run system calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteCaller {
    /// A `syscall` instruction that was found.
    instruction: Option<RemoteAddr>,
}

impl RemoteCaller {
    /// Runs system call `number` in `tid`; its result, or its errno.
    ///
    /// A thread that ends meanwhile is ESRCH here, and its last stop is parked: the session tells of it.
    ///
    /// *State*: `tid` is stopped as the module says. It is in another kind of stop afterwards, with the same
    /// registers.
    pub(crate) fn call<K: Kernel>(
        &mut self,
        kernel: &mut K,
        tid: Tid,
        number: i64,
        arguments: [u64; 6],
        parked: &mut Parked,
    ) -> Answer<u64> {
        let instruction = self.instruction(kernel, tid)?;
        let saved = kernel.registers(tid)?;
        let mask = kernel.signal_mask(tid)?;
        kernel.set_signal_mask(tid, u64::MAX)?;
        let ready = saved.for_syscall(instruction, number.cast_unsigned(), arguments);
        let ran = kernel
            .set_registers(tid, &ready)
            .and_then(|()| run(kernel, tid, parked));
        // A thread that has ended may have come back as one that has called exec: its registers are another program's.
        if matches!(ran, Err(Errno::ESRCH)) {
            return Err(Errno::ESRCH);
        }
        // Whatever else came of it, both are put back.
        let restored = kernel
            .set_registers(tid, &saved)
            .and(kernel.set_signal_mask(tid, mask));
        let result = ran?.syscall_result();
        restored?;
        // Source: syscall(2); results from -4095 to -1 are errors.
        if (-4095..0).contains(&result) {
            return Err(Errno::from_raw(i32::try_from(-result).unwrap_or(libc::EIO)));
        }
        Ok(result.cast_unsigned())
    }

    /// The instruction, looked at again each time: a program may move its vdso (CRIU does).
    fn instruction<K: Kernel>(&mut self, kernel: &mut K, tid: Tid) -> Answer<RemoteAddr> {
        let mut code = [0; SYSCALL_INSTRUCTION.len()];
        if let Some(known) = self.instruction
            && kernel.read_memory(tid, known, &mut code) == Ok(code.len())
            && code == SYSCALL_INSTRUCTION
        {
            return Ok(known);
        }
        let found = find_syscall(kernel, tid)?;
        self.instruction = Some(found);
        Ok(found)
    }

    /// Lends `with` a page of the tracee's memory that nothing else uses, for what a call reads or writes there.
    ///
    /// Not kept, and not on the program's stack: either would show as memory of the program's.
    ///
    /// *State*: as for [`Self::call`].
    pub(crate) fn with_page<K: Kernel, T>(
        &mut self,
        kernel: &mut K,
        tid: Tid,
        parked: &mut Parked,
        with: impl FnOnce(&mut Page<'_, K>) -> Answer<T>,
    ) -> Answer<T> {
        const SIZE: u64 = 4096;
        let protection = u64::from((libc::PROT_READ | libc::PROT_WRITE).cast_unsigned());
        let flags = u64::from((libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).cast_unsigned());
        let anywhere = [0, SIZE, protection, flags, u64::MAX, 0];
        let page = self.call(kernel, tid, libc::SYS_mmap, anywhere, parked)?;
        let answer = with(&mut Page {
            address: RemoteAddr(page),
            caller: self,
            kernel,
            tid,
            parked,
        });
        // One that ends is not made to go on: its end is still to be told.
        if !matches!(answer, Err(Errno::ESRCH)) {
            self.call(kernel, tid, libc::SYS_munmap, [page, SIZE, 0, 0, 0, 0], parked)?;
        }
        answer
    }
}

/// A page of a stopped tracee's memory, lent for the calls of one thread.
#[derive(Debug)]
pub(crate) struct Page<'a, K> {
    /// Where it lies.
    pub(crate) address: RemoteAddr,
    caller: &'a mut RemoteCaller,
    kernel: &'a mut K,
    tid: Tid,
    parked: &'a mut Parked,
}

impl<K: Kernel> Page<'_, K> {
    /// See [`RemoteCaller::call`].
    pub(crate) fn call(&mut self, number: i64, arguments: [u64; 6]) -> Answer<u64> {
        self.caller
            .call(self.kernel, self.tid, number, arguments, self.parked)
    }

    /// Whose page it is, and what answers for it.
    pub(crate) fn tracee(&mut self) -> (&mut K, Tid) {
        (self.kernel, self.tid)
    }

    /// The first words of the page.
    pub(crate) fn read<const WORDS: usize>(&mut self) -> Answer<[u64; WORDS]> {
        let mut words = [0; WORDS];
        for (word, number) in words.iter_mut().zip(0..) {
            let mut bytes = [0; 8];
            let at = self.address.plus(8 * number);
            self.kernel.read_memory(self.tid, at, &mut bytes)?;
            *word = u64::from_ne_bytes(bytes);
        }
        Ok(words)
    }

    /// Writes the first words of the page.
    pub(crate) fn write(&mut self, words: &[u64]) -> Answer<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.kernel.write_memory(self.tid, self.address, &bytes)
    }
}

/// Lets the tracee enter and leave one system call.
fn run<K: Kernel>(kernel: &mut K, tid: Tid, parked: &mut Parked) -> Answer<Registers> {
    let mut group_stop = false;
    for _ in 0..2 {
        kernel.resume(tid, Go::ToSystemCall, Signal::NONE)?;
        loop {
            let status = parked.wait_for(kernel, tid)?;
            match decode(status) {
                Stop::SystemCall => break,
                // SIGSTOP: no mask holds it.
                Stop::Signal(signal) => kernel.resume(tid, Go::ToSystemCall, signal)?,
                Stop::Group(_) => {
                    group_stop = true;
                    kernel.resume(tid, Go::ToSystemCall, Signal::NONE)?;
                }
                // A pause that somebody asked for meanwhile.
                Stop::Pause | Stop::Child(_) => {
                    kernel.resume(tid, Go::ToSystemCall, Signal::NONE)?;
                }
                // A leader that died unseen comes back as the thread that has called exec.
                Stop::Executed | Stop::Exiting | Stop::Ended(_) => {
                    parked.push(tid, status);
                    return Err(Errno::ESRCH);
                }
            }
        }
    }
    if group_stop {
        // The kernel does not report a group-stop again to one that was made to go on; an interrupted one
        // reports the group-stop it belongs to (ptrace(2), PTRACE_EVENT_STOP).
        kernel.interrupt(tid)?;
    }
    kernel.registers(tid)
}

/// A `syscall` instruction in the tracee's memory: every vdso has one.
fn find_syscall<K: Kernel>(kernel: &mut K, tid: Tid) -> Answer<RemoteAddr> {
    let mappings = kernel.mappings(tid)?;
    let vdso = mappings
        .iter()
        .find(|m| m.path.as_os_str() == "[vdso]" && m.executable)
        .ok_or(Errno::ENOSYS)?;
    let length = vdso.range.end.0.saturating_sub(vdso.range.start.0).min(1 << 20);
    let mut code = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = kernel.read_memory(tid, vdso.range.start, &mut code)?;
    let found = code[..read]
        .windows(SYSCALL_INSTRUCTION.len())
        .position(|w| w == SYSCALL_INSTRUCTION);
    found
        .map(|offset| vdso.range.start.plus(offset as u64))
        .ok_or(Errno::ENOSYS)
}

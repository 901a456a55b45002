//! What the standard library cannot say about this process and its children.
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What a process is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// To end (SIGTERM): it may clean up.
    Terminate,
    /// To end at once (SIGKILL): a crash as far as it can tell.
    Kill,
    /// To stand still (SIGSTOP): it cannot tell.
    Stop,
    /// To go on (SIGCONT).
    Continue,
}

/// Has the kernel kill the child when the thread that starts it ends, whatever the
/// reason, and keeps the terminal's Ctrl-C from it: its parent decides.
pub fn tie_to_parent(command: &mut Command) -> &mut Command {
    command.process_group(0);
    let parent = std::process::id();
    // SAFETY: the closure runs between fork and exec and makes two system calls, both
    // async-signal-safe; it allocates nothing.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the call above.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        })
    }
}

/// Keeps up to 64 MiB that this process has freed, instead of giving it back to the kernel:
/// frames and buffers come and go, and memory that is asked for again costs a fault per page.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // Who sets one of the two stops the other from adapting itself.
    for (parameter, bytes) in [
        (libc::M_TRIM_THRESHOLD, 64 << 20),
        (libc::M_MMAP_THRESHOLD, 4 << 20),
    ] {
        // SAFETY: sets a parameter of the allocator, under its own lock.
        let is_set = unsafe { libc::mallopt(parameter, bytes) };
        assert!(is_set == 1, "the allocator takes these parameters");
    }
}

/// Lets this process, and those that it starts, open as many files and sockets at a time as
/// the system allows it to: what it may without asking is often 1024.
pub fn raise_open_files() {
    let mut limit = open_files();
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live value, which is read. It fails if the system allows
    // less by now; the old limit is as good then.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

/// Files and sockets that this process may have open at a time.
#[must_use]
pub fn open_files_max() -> usize {
    usize::try_from(open_files().rlim_cur).unwrap_or(usize::MAX)
}

fn open_files() -> libc::rlimit {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live value, which is written.
    let code = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    assert!(code == 0, "a process may ask for its own limits");
    limit
}

/// Sends a signal to a process.
///
/// # Errors
/// If there is no such process or it is another user's.
pub fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    let number = match signal {
        Signal::Terminate => libc::SIGTERM,
        Signal::Kill => libc::SIGKILL,
        Signal::Stop => libc::SIGSTOP,
        Signal::Continue => libc::SIGCONT,
    };
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    if pid == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: plain system call without pointers.
    if unsafe { libc::kill(pid, number) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_tied_child_runs_and_dies_by_signal() {
        let mut command = Command::new("cat");
        command.stdin(std::process::Stdio::piped());
        let mut child = tie_to_parent(&mut command).spawn().unwrap();
        signal(child.id(), Signal::Kill).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_stopped_child_goes_on_when_told() {
        let mut command = Command::new("cat");
        command.stdin(std::process::Stdio::piped());
        let mut child = tie_to_parent(&mut command).spawn().unwrap();
        signal(child.id(), Signal::Stop).unwrap();
        drop(child.stdin.take());
        assert_eq!(child.try_wait().unwrap(), None);
        signal(child.id(), Signal::Continue).unwrap();
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn process_0_is_nobody() {
        assert_eq!(
            signal(0, Signal::Kill).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}

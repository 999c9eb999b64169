//! Freed memory goes back to the system.
//!
//! glibc keeps what was freed in the arena of each thread: after a storm of calls the process held
//! several times what it used, and a memory limit would refuse calls for it.

/// Gives back what the allocator holds without using it. Some milliseconds at most, on the thread
/// that asks; media workers do not allocate while packets flow, and so wait for nothing.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "glibc offers it as a C function only; it takes and returns an integer")]
pub fn give_back() {
    // SAFETY: `malloc_trim` may be called at any time from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators give back by themselves.
#[cfg(not(target_env = "gnu"))]
pub const fn give_back() {}

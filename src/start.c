/* What must be settled before main: Rust's own start comes too late for it, or cannot say it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#ifdef GLIBC
#include <malloc.h>

/*
 * One heap for all threads: glibc would reserve 64 MiB of address space for each that allocates
 * anything, which under a limit of address space is missing where an answer needs it. No two
 * threads here are busy at a time.
 *
 * And the buffers of a connection as pages of their own: from the heap they would be zeroed, and so
 * be there as a whole, although hardly any of them is used.
 */
__attribute__((constructor)) static void keep_the_heap_small(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
}
#endif

/*
 * The API key is in the memory of this process. So no core file is written, and no other process of
 * the same user can attach to it or read its memory.
 */
__attribute__((constructor)) static void keep_memory_private(void) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
#ifdef __linux__
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/*
 * A signal that whoever started this process blocks would never arrive, and the command could not
 * be stopped. What is ignored stays ignored.
 */
__attribute__((constructor)) static void unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Where standard output is closed, Rust opens /dev/null there before main, for writing too: the
 * answer would be gone without an error. Opened for reading only, each write to it fails with
 * EBADF, as it would on the closed descriptor, and no file that is opened later gets the number 1.
 */
__attribute__((constructor)) static void keep_closed_stdout_unwritable(void) {
    if (fcntl(STDOUT_FILENO, F_GETFD) != -1 || errno != EBADF) {
        return;
    }
    int null = open("/dev/null", O_RDONLY);
    if (null != -1 && null != STDOUT_FILENO) {
        dup2(null, STDOUT_FILENO);
        close(null);
    }
}

#ifdef STATIC_GLIBC
#include <nss.h>

/*
 * A static glibc resolves names by itself from /etc/hosts and DNS. For any other source in
 * /etc/nsswitch.conf it loads a library of the system at run time, and where that is of another
 * glibc the process aborts. So the program never asks for one: whatever the file says, hosts are
 * looked up in these two.
 */
__attribute__((constructor)) static void look_up_hosts_in_files_and_dns(void) {
    __nss_configure_lookup("hosts", "files dns");
}
#endif

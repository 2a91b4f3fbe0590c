/*
 * Rust's library for musl brings an unwinder, for backtraces and for panics that are caught. Here a
 * panic aborts, and the tables that an unwinder reads are left out, so these take its place: 20 KB
 * less. They are weak: where something needs more of the real one, the linker takes that.
 */
#include <stdlib.h>

#define UNWINDER(name, code) __attribute__((weak)) int _Unwind_##name(void) { code; }
UNWINDER(Backtrace, return 5 /* the end of the stack */)
UNWINDER(GetDataRelBase, abort())
UNWINDER(GetIP, abort())
UNWINDER(GetIPInfo, abort())
UNWINDER(GetLanguageSpecificData, abort())
UNWINDER(GetRegionStart, abort())
UNWINDER(GetTextRelBase, abort())
UNWINDER(Resume, abort())
UNWINDER(SetGR, abort())
UNWINDER(SetIP, abort())

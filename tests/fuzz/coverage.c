/* Coverage of code that gcc compiled, for libFuzzer, which by itself reads only what clang writes.

Loaded before the runtime of AddressSanitizer, whose own hooks do nothing. An edge, known by where it is and where the
one before was, counts in a table that libFuzzer knows; comparisons go to libFuzzer's hooks once those are there. */

#include <dlfcn.h>
#include <stdint.h>

#define EDGES (1 << 16)

static uint8_t counters[EDGES];
static struct { uintptr_t pc, flags; } places[EDGES];
static uintptr_t before;

static void (*counters_init)(uint8_t *, uint8_t *);
static void (*pcs_init)(const uintptr_t *, const uintptr_t *);
static void (*switched)(uint64_t, uint64_t *);

void __sanitizer_cov_trace_pc(void) {
    uintptr_t here = (uintptr_t)__builtin_return_address(0);
    uintptr_t mixed = here * 0x9E3779B97F4A7C15u >> 48;
    counters[mixed ^ before]++;
    before = mixed >> 1;
}

/* Each ends in a jump, so that libFuzzer sees whence the comparison came. */
#define COMPARED(name, type) \
    static void (*name##_there)(type, type); \
    void __sanitizer_cov_trace_##name(type a, type b) { if (name##_there) name##_there(a, b); }
COMPARED(cmp1, uint8_t)
COMPARED(cmp2, uint16_t)
COMPARED(cmp4, uint32_t)
COMPARED(cmp8, uint64_t)
COMPARED(const_cmp1, uint8_t)
COMPARED(const_cmp2, uint16_t)
COMPARED(const_cmp4, uint32_t)
COMPARED(const_cmp8, uint64_t)
void __sanitizer_cov_trace_switch(uint64_t value, uint64_t *cases) { if (switched) switched(value, cases); }
void __sanitizer_cov_trace_cmpf(float a, float b) { (void)a, (void)b; }
void __sanitizer_cov_trace_cmpd(double a, double b) { (void)a, (void)b; }
void __sanitizer_cov_8bit_counters_init(uint8_t *from, uint8_t *to) { if (counters_init) counters_init(from, to); }
void __sanitizer_cov_pcs_init(const uintptr_t *from, const uintptr_t *to) { if (pcs_init) pcs_init(from, to); }

/* Report to the libFuzzer in this library, which has been loaded; 0 when it is none. */
int coverage_to(const char *library) {
    void *there = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (!there) return 0;
#define FIND(pointer, name) pointer = dlsym(there, "__sanitizer_cov_" name)
    FIND(counters_init, "8bit_counters_init"), FIND(pcs_init, "pcs_init"), FIND(switched, "trace_switch");
    FIND(cmp1_there, "trace_cmp1"), FIND(cmp2_there, "trace_cmp2");
    FIND(cmp4_there, "trace_cmp4"), FIND(cmp8_there, "trace_cmp8");
    FIND(const_cmp1_there, "trace_const_cmp1"), FIND(const_cmp2_there, "trace_const_cmp2");
    FIND(const_cmp4_there, "trace_const_cmp4"), FIND(const_cmp8_there, "trace_const_cmp8");
    if (!counters_init || !pcs_init) return 0;
    for (uintptr_t i = 0; i < EDGES; i++) places[i].pc = i + 1;
    counters_init(counters, counters + EDGES);
    pcs_init((const uintptr_t *)places, (const uintptr_t *)(places + EDGES));
    return 1;
}

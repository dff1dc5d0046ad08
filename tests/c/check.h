/* check.h - counts checks, and says which failed, where, and on what. */
#ifndef CHECK_H
#define CHECK_H

/* Says the condition itself, or a sentence in the manner of printf. */
#define CHECK(right) check((right) != 0, __FILE__, __LINE__, "%s", #right)
#define CHECK_SAY(right, ...) check((right) != 0, __FILE__, __LINE__, __VA_ARGS__)

/* Returns `right`, so that a test may leave what makes no sense after a failure. */
int check(int right, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What is being tested, for the report of a failure. */
void about(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the count; 1 if a check failed. */
int report(void);

/* The tests, a file each; the first group runs once for each target. */
void test_sequence(void);
void test_gradient(void);
void test_bits(void);
void test_stack(void);
void test_stream(void);
void test_checkpoint(void);
void test_pack(void);
void test_dense(void);
void test_mdlstm(void);
void test_solver(void);
void test_dropout(void);
void test_edits(void);
void test_ctc(void);
void test_highway(void);
void test_decode(void);
void test_mode(void);
void test_memory(void);
void test_errors(void);

void test_machine(void);

/* Compiled once for each target and dtype. */
#define OF_EACH_TARGET(test)        \
    void test##_baseline_f32(void); \
    void test##_baseline_f64(void); \
    void test##_avx2_f32(void);     \
    void test##_avx2_f64(void);     \
    void test##_avx512_f32(void);   \
    void test##_avx512_f64(void);
OF_EACH_TARGET(test_vmath)
OF_EACH_TARGET(test_lanes)
OF_EACH_TARGET(test_product)
OF_EACH_TARGET(test_digits)

#endif

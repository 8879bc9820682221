// The C library's files, which libbz2 names beside the functions that work in memory and are the
// ones that are used. A payload has no files: each of these ends it.
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "guest/runtime/common/panic.h"

#define HOTCELL_NO_FILES() HOTCELL_PANIC("a function of the C library that needs files was called")

#undef stdin
#undef stdout
#undef stderr

extern "C" {

FILE* stdin = nullptr;
FILE* stdout = nullptr;
FILE* stderr = nullptr;

void exit(int) { HOTCELL_NO_FILES(); }
FILE* fopen64(const char*, const char*) { HOTCELL_NO_FILES(); }
FILE* fdopen(int, const char*) noexcept { HOTCELL_NO_FILES(); }
int fclose(FILE*) { HOTCELL_NO_FILES(); }
int ferror(FILE*) noexcept { HOTCELL_NO_FILES(); }
int fflush(FILE*) { HOTCELL_NO_FILES(); }
int fgetc(FILE*) { HOTCELL_NO_FILES(); }
int fputc(int, FILE*) { HOTCELL_NO_FILES(); }
int ungetc(int, FILE*) { HOTCELL_NO_FILES(); }
size_t fread(void*, size_t, size_t, FILE*) { HOTCELL_NO_FILES(); }
size_t fwrite(const void*, size_t, size_t, FILE*) { HOTCELL_NO_FILES(); }
// What the above become with -D_FORTIFY_SOURCE. NOLINTBEGIN(bugprone-reserved-identifier)
int __fprintf_chk(FILE*, int, const char*, ...) { HOTCELL_NO_FILES(); }
const unsigned short** __ctype_b_loc() noexcept { HOTCELL_NO_FILES(); }
// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"

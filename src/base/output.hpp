#pragma once
// What leaves the program for places that the user names: files that may be anything, and standard output. Files inside
// a folder of ours are written by base/files.hpp, which replaces them. Errors: Error(runtime) with the system's reason.
#include <string_view>

#include "base/files.hpp"

namespace ddls {

// A path that the user names (--json FILE, --out PAGE). Symbolic links are followed; where they end at nothing or at a
// regular file, that is written as by write_file, so that it is complete or as it was. Anything else (a device, a named
// pipe, /dev/stdout, /dev/fd/N) stays what it is and gets the bytes at its end. A pipe whose reader has gone takes no
// more: no error.
void write_named_file(const fs::path& path, std::string_view bytes);

// Throws what write_named_file would, as far as that can be known beforehand: before hours of work, not behind them.
void check_named_file(const fs::path& path);

// A command's result on standard output, all of it, or Error(runtime). Where the reader of a pipe has had enough
// (`| head`): no error.
void print_result(std::string_view text);
// For the beginning of main: standard descriptors that are closed are taken, so that no other file gets their numbers
// and with them what is printed. Writing to them still fails.
void keep_standard_descriptors();

}  // namespace ddls

#pragma once
// What a fuzz target shares. A parser may refuse its input with an Error that says "data", "missing" or "config"; any
// other exception, a crash or a hang is a finding.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ddls::fuzz {

// A folder in memory for the files of this process; it is left behind where the process is killed.
inline const std::filesystem::path& scratch() {
  static const std::filesystem::path folder = [] {
    log::init(log::Level::off, 0, 1);
    auto path = std::filesystem::path("/dev/shm") / fmt::format("ddls_fuzz.{}", getpid());
    std::filesystem::create_directories(path);
    std::atexit([] {
      std::error_code ignored;
      std::filesystem::remove_all(scratch(), ignored);
    });
    return path;
  }();
  return folder;
}

// Not write_file, which syncs.
inline std::filesystem::path put(const std::string& name, std::string_view bytes) {
  const auto path = scratch() / name;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() || std::fclose(file) != 0) std::abort();
  return path;
}

inline std::string_view view(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

template <typename Parse>
void refuses_or_reads(const Parse& parse) {
  try {
    parse();
  } catch (const Error& error) {
    if (error.code() == Exit::data || error.code() == Exit::missing || error.code() == Exit::config) return;
    std::fprintf(stderr, "exit code %d: %s\n", static_cast<int>(error.code()), error.what());
    std::abort();
  }
}

}  // namespace ddls::fuzz

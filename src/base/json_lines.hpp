#pragma once
// Files of records, one JSON object per line (metrics.jsonl). A record is with the system when `write` returns, so a
// killed run loses at most the line that was being written; such a torn last line is removed when the file is opened.
// Errors: Error(runtime) with the system's reason.
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/files.hpp"
#include "base/json.hpp"

namespace ddls {

class JsonLines {
 public:
  explicit JsonLines(const fs::path& path);  // appends; makes the file where there is none
  // NaN and infinities become null, as JSON has no other word for them.
  void write(const Json& record);

 private:
  AppendFile file_;
};

// For a run that goes on from a checkpoint: removes the records with this "phase" whose "step" is greater than `step`,
// so that the steps done again are not there twice. Lines that are no JSON objects are removed with a warning. The
// file is replaced as a whole. Returns how many lines went. No file: nothing to do. No JsonLines may be open on it.
int64_t drop_records_after(const fs::path& path, std::string_view phase, int64_t step);

}  // namespace ddls

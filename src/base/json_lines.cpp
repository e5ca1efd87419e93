#include "base/json_lines.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"

namespace ddls {
namespace {

// A line without its end was cut by a kill or a full disk.
int64_t whole_lines(const std::string& text) { return static_cast<int64_t>(text.rfind('\n') + 1); }  // npos + 1 is 0

bool is_beyond(const Json& record, std::string_view phase, int64_t step) {
  const auto its_phase = record.find("phase"), its_step = record.find("step");
  return its_phase != record.end() && its_step != record.end() && *its_phase == phase &&
         its_step->is_number_integer() && its_step->get<int64_t>() > step;
}

}  // namespace

JsonLines::JsonLines(const fs::path& path) : file_(path) { file_.truncate(whole_lines(read_file(path))); }

void JsonLines::write(const Json& record) { file_.append(json_text(record) + "\n"); }

int64_t drop_records_after(const fs::path& path, std::string_view phase, int64_t step) {
  if (!fs::exists(path)) return 0;
  const std::string text = read_file(path);
  std::string kept;
  int64_t dropped = 0, number = 0;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    const std::string line = text.substr(begin, end - begin);
    const Json record = Json::parse(line, nullptr, false);
    ++number;
    if (!record.is_object() || line.back() != '\n')
      log::warning("{}:{}: not a whole record; the line is removed", path.string(), number);
    else if (!is_beyond(record, phase, step)) {
      kept += line;
      continue;
    }
    ++dropped;
  }
  if (dropped > 0) write_file(path, kept);
  return dropped;
}

}  // namespace ddls

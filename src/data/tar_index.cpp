// The tar format: POSIX.1-1988 ustar, POSIX.1-2001 pax headers, and GNU's long names and binary numbers.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "data/tar_file.hpp"

namespace ddls::data {
namespace {

constexpr uint64_t block = 512;
constexpr uint64_t most_header_bytes = 1 << 20;  // of a long name or a pax header

std::string_view text(std::string_view field) { return field.substr(0, field.find('\0')); }

// Octal digits, or (GNU) the high bit and a big-endian number.
std::optional<uint64_t> number(std::string_view field) {
  uint64_t value = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    for (size_t i = 0; i < field.size(); ++i) {
      const auto byte = static_cast<unsigned char>(field[i]);
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | (i == 0 ? byte & 0x7FU : byte);
    }
    return value;
  }
  size_t at = field.find_first_not_of(' ');
  if (at == std::string_view::npos) return std::nullopt;
  const size_t first = at;
  for (; at < field.size() && field[at] >= '0' && field[at] <= '7'; ++at)
    value = value << 3 | static_cast<uint64_t>(field[at] - '0');
  const bool ends = at == field.size() || field[at] == ' ' || field[at] == '\0';
  return ends && at > first ? std::optional(value) : std::nullopt;
}

// The sum of all bytes, the sum's own field taken as spaces.
bool checksum_holds(std::string_view header) {
  uint64_t sum = 0;
  for (size_t i = 0; i < block; ++i) sum += i >= 148 && i < 156 ? uint64_t{' '} : static_cast<unsigned char>(header[i]);
  return number(header.substr(148, 8)) == sum;
}

// What long names and pax headers say of the member that follows them.
struct Ahead {
  std::optional<std::string> name, target;
  std::optional<uint64_t> size;
};

// Records "LENGTH KEY=VALUE\n". False: damaged.
bool read_pax(std::string_view records, Ahead& ahead) {
  while (!records.empty()) {
    size_t length = 0;
    const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
    const auto digits = static_cast<size_t>(end - records.data());
    if (error != std::errc() || length > records.size() || length < digits + 3 || records[digits] != ' ' ||
        records[length - 1] != '\n')
      return false;
    const std::string_view record = records.substr(digits + 1, length - digits - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") ahead.name = value;
    if (key == "linkpath") ahead.target = value;
    if (key == "size") {
      uint64_t size = 0;
      const auto [last, problem] = std::from_chars(value.data(), value.data() + value.size(), size);
      if (problem != std::errc() || last != value.data() + value.size()) return false;
      ahead.size = size;
    }
    records.remove_prefix(length);
  }
  return true;
}

std::string name_in(std::string_view header) {
  const std::string name(text(header.substr(0, 100)));
  const bool posix = header.substr(257, 6) == std::string_view("ustar\0", 6);  // GNU keeps other things there
  const std::string_view prefix = text(header.substr(345, 155));
  return posix && !prefix.empty() ? std::string(prefix) + "/" + name : name;
}

// A hard link is another name of a member before it.
void resolve_hard_links(std::vector<TarMember>& members) {
  if (std::ranges::none_of(members, [](const TarMember& member) { return member.type == '1'; })) return;
  std::unordered_map<std::string_view, const TarMember*> files;
  for (TarMember& member : members) {
    if (member.type == '1') {
      const auto found = files.find(member.target);
      if (found == files.end()) continue;
      member.type = '0';
      member.offset = found->second->offset;
      member.size = found->second->size;
    }
    if (member.type == '0') files[member.name] = &member;
  }
}

bool without_content(char type) { return type >= '1' && type <= '6'; }  // links, devices, folders, pipes

// Where the zeros behind `at` end; the file's size where they do not.
uint64_t end_of_zeros(const TarFile& file, uint64_t at) {
  constexpr uint64_t piece = 1 << 16;
  for (; at < file.size(); at += piece) {
    const std::string bytes = file.read(at, piece);
    const size_t other = bytes.find_first_not_of('\0');
    if (other != std::string::npos) return at + other;
  }
  return file.size();
}

TarIndex read_members(const TarFile& file) {
  TarIndex index;
  Ahead ahead;
  const auto damaged = [&](uint64_t at, const char* reason) {
    index.damage =
        fmt::format("'{}' is damaged or truncated at byte {} of {}: {}", file.path().string(), at, file.size(), reason);
    return index;
  };
  for (uint64_t at = 0;;) {
    const std::string header = file.read(at, block);
    if (header.size() < block) return damaged(at, "no end mark of a tar archive");
    if (std::ranges::all_of(header, [](char c) { return c == '\0'; })) {
      const uint64_t more = end_of_zeros(file, at);
      if (more < file.size())
        index.damage = fmt::format(
            "'{}' ends at byte {}, but {} bytes follow from byte {} on, as where archives were joined by cat: keep "
            "them as files of their own in one folder, or join them by 'tar -A'",
            file.path().string(), at, file.size() - more, more);
      return index;
    }
    if (!checksum_holds(header)) return damaged(at, "the checksum of a tar header does not hold");
    const char type = header[156] == '\0' ? '0' : header[156];
    std::optional<uint64_t> size = number(std::string_view(header).substr(124, 12));
    const bool describes_next = type == 'L' || type == 'K' || type == 'x' || type == 'g';
    if (!describes_next && ahead.size) size = ahead.size;
    if (without_content(type)) size = 0;
    const uint64_t content = at + block;
    if (!size || *size > file.size() - content) return damaged(at, "the file ends within a member");
    if (describes_next) {
      if (*size > most_header_bytes) return damaged(at, "a header of unlikely length");
      const std::string bytes = file.read(content, *size);
      if (type == 'L') ahead.name = text(bytes);
      if (type == 'K') ahead.target = text(bytes);
      if (type == 'x' && !read_pax(bytes, ahead)) return damaged(at, "a pax header that cannot be read");
    } else {
      index.members.push_back({ahead.name ? *ahead.name : name_in(header), content, *size, type == '7' ? '0' : type});
      if (type == '1' || type == '2')
        index.members.back().target =
            ahead.target ? *ahead.target : std::string(text(std::string_view(header).substr(157, 100)));
      ahead = {};
    }
    at = content + (*size + block - 1) / block * block;
  }
}

}  // namespace

TarIndex read_tar_index(const TarFile& file) {
  TarIndex index = read_members(file);
  resolve_hard_links(index.members);
  return index;
}

}  // namespace ddls::data

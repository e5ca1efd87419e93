#pragma once
// Tar archives of tests, byte by byte.
#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace ddls::test {

inline std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 511) / 512 * 512, '\0');
  return bytes;
}

inline std::string tar_header(const std::string& name, uint64_t size, char type = '0', const std::string& prefix = "") {
  std::string h(512, '\0');
  h.replace(0, std::min<size_t>(name.size(), 100), name.substr(0, 100));
  h.replace(100, 7, "0000644");
  h.replace(108, 7, "0000000");
  h.replace(116, 7, "0000000");
  h.replace(124, 11, fmt::format("{:011o}", size));
  h.replace(136, 11, "00000000000");
  h.replace(148, 8, "        ");
  h[156] = type;
  h.replace(257, 8,
            std::string("ustar\0"
                        "00",
                        8));
  h.replace(345, prefix.size(), prefix);
  uint64_t sum = 0;
  for (const char c : h) sum += static_cast<unsigned char>(c);
  h.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  return h;
}

inline std::string tar_member(const std::string& name, const std::string& content, char type = '0') {
  return tar_header(name, content.size(), type) + padded(content);
}

inline std::string gnu_long(const std::string& name, const std::string& content) {
  return tar_member("././@LongLink", name + '\0', 'L') + tar_member(name, content);
}

inline std::string pax_long(const std::string& name, const std::string& content) {
  const std::string value = " path=" + name + "\n";
  size_t length = value.size() + 1;
  while (fmt::format("{}", length).size() + value.size() != length) ++length;
  return tar_member("PaxHeaders/x", "25 mtime=1700000000.1234\n" + fmt::format("{}", length) + value, 'x') +
         tar_member("short", content);
}

inline std::string tar_end() { return std::string(1024, '\0'); }

}  // namespace ddls::test

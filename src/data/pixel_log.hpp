#pragma once
// What decoding met in the images of a set, and says once for all of them. May be used in several threads at once.
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/pixel_rules.hpp"

namespace ddls::data {

class PixelLog {
 public:
  explicit PixelLog(const tensor::PixelRules& rules) : rules_(rules) {}

  // Logs each kind the first time, with the name of the image, at level info: rank 0 speaks for all.
  void add(const tensor::PixelNotes& notes, const std::string& name);
  // What other ranks met in the same set, as their `met` says: logged where it has not been yet.
  void add_elsewhere(uint8_t met, const std::string& name);

  uint8_t met() const;                                // a bit for each kind
  std::vector<std::string> words(uint8_t met) const;  // for records: "transparency: drop"

 private:
  enum Kind { transparent, sixteen_bits, inks, turned, odd, kinds };
  std::string text(int kind) const;
  bool first(int kind) { return !said_[kind].load(std::memory_order_relaxed) && !said_[kind].exchange(true); }

  tensor::PixelRules rules_;
  std::array<std::atomic<bool>, kinds> said_{};
};

// `digest` of a set that is decoded by these rules. That of the default rules is the set's own: older runs can go on.
uint64_t rules_digest(const tensor::PixelRules& rules, uint64_t digest);

}  // namespace ddls::data

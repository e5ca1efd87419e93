#pragma once
// How held-out reals, and a pool of prior draws, are used in their random order: one half fits, a quarter chooses
// between fits, and what comes last is reported on. Methods that choose nothing report on both last quarters.
#include <cstdint>

namespace ddls::train {

struct Quarters {
  int64_t fit = 0, choose = 0, report = 0;
};
inline Quarters quarters_of(int64_t n) { return {n / 2, n / 4, n - n / 2 - n / 4}; }

}  // namespace ddls::train

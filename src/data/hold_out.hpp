#pragma once
// A part of the training set that training never sees, so that a score can be calibrated on it: drawn at random, since
// files often come class by class.
#include <cstdint>

#include "data/dataset.hpp"

namespace ddls::data {

struct HeldOut {
  Dataset seen, held_out;  // both in the order of the whole; held_out empty where nothing is
};

// The same split for the same (seed, count, size). With `count` 0 `seen` is `whole` itself. Throws Error(config) where
// nothing would be left to see.
HeldOut hold_out(const Dataset& whole, int64_t count, uint64_t seed);

}  // namespace ddls::data

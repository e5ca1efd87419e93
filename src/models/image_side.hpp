#pragma once
// Sides of images in convolutional networks.
#include <cstdint>

#include "models/network_fwd.hpp"

namespace ddls::models {

// The side of a square image after so many halvings; throws Error(config) naming `key` where it does not divide.
int64_t halved_side(const SampleShape& image, int64_t halvings, const char* key);

}  // namespace ddls::models

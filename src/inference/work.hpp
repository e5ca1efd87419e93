#pragma once
// What an operation of an inference graph does in one call, for profiles.
#include <cstdint>
#include <string>

namespace ddls::inference {

enum class Pass { forward, vjp };

// Multiply-adds are of one sample, of products and convolutions alone, as models/counts.hpp counts them: the additions
// around Winograd, activations, norms and sums are left out in both.
struct OperationWork {
  std::string kind;                       // "convolution 3x3"
  std::string algorithm = "elementwise";  // "Winograd", "oneDNN", "ATen": who multiplies
  int64_t plain_multiply_adds = 0;        // of the layer as published
  int64_t multiply_adds = 0;              // that are executed
  int64_t weight_bytes = 0;               // read by a call, whatever the number of samples
};

}  // namespace ddls::inference

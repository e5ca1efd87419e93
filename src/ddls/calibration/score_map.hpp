#pragma once
// An increasing function from the score d of a discriminator to the log-ratio r that the energy needs, and its
// derivative: what a calibration gives. Networks and their inference graphs stay as they are: grad r(G(z)) is the
// score's gradient times the slope.
#include <ATen/core/Tensor.h>

#include <functional>

#include "ddls/target.hpp"

namespace ddls::sampling {

struct MappedScores {
  at::Tensor log_ratio, slope;  // [n] each, of the type of the scores
};
using ScoreMap = std::function<MappedScores(const at::Tensor& scores)>;  // [n], any device

ScoreMap affine_map(double alpha, double offset);  // r = alpha d + offset

// `raw` with map(score) in the place of its score.
Target calibrated(const Target& raw, const ScoreMap& map);

}  // namespace ddls::sampling

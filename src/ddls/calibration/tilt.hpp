#pragma once
// The tilt: r(x, y) = slope_y d(x, y) + sum_j (a_j c_j(x) + b_j c_j(x)^2) + offset_y, with c the principal components of features of the
// samples. An exponential family over p_g: fitted by maximum likelihood (tilt_fit.hpp), p_g e^r has the data's means of
// everything in the sum (docs/algorithm.md, equations 70 and 71).
#include <string>
#include <vector>

#include "ddls/calibration/sample_features.hpp"
#include "ddls/feature_components.hpp"
#include "ddls/ratio_correction.hpp"
#include "tensor/npz.hpp"

namespace ddls {

struct TiltPart {
  std::string name;  // of its features
  FeatureComponents components;
  at::Tensor linear, quadratic;  // [c] each, float64, CPU
};

// The columns of one part: c and c^2. float32 or float64 [n, f] -> [n, 2 c]
at::Tensor tilt_columns(const FeatureComponents& components, const at::Tensor& features);

struct Tilt {
  at::Tensor slopes, offsets;  // [1] or [classes], float64, CPU
  std::vector<TiltPart> parts;
};

NamedTensors tensors_of(const Tilt& tilt,
                        const std::vector<SampleFeatures>& features);  // "0.mean", "0.features.NAME", ...
// What tensors_of kept; the names of the parts in its order.
Tilt tilt_of(const NamedTensors& tensors, const std::vector<std::string>& names);
NamedTensors kept_features(const NamedTensors& tensors, size_t part);

// As what a target takes; `features` of each part, in its order.
RatioCorrection correction_of(const Tilt& tilt, const std::vector<SampleFeatures>& features, c10::Device device);

}  // namespace ddls

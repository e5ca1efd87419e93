#pragma once
// Statistics of samples whose means a tilt (tilt.hpp) makes those of the data. One kind is one file in features/ and
// one word in sample_features.cpp.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <string>
#include <vector>

#include "models/network_fwd.hpp"
#include "tensor/npz.hpp"

namespace ddls::sampling {

struct SampleFeatures {
  // Samples as the generator gives them, float32 or float64 -> [n, f] of that type. Differentiable with respect to them
  // where gradients are enabled; holds on to what it needs.
  std::function<at::Tensor(const at::Tensor& samples)> of;
  tensor::NamedTensors weights = {};  // CPU; with these it is made again as it is
  std::string fingerprint = {};       // of what lies outside `weights`: the hash of a file
  // Widths of groups that have principal components, squares and products each for themselves, of several layers of
  // a network for one; they add up to f. Empty: one group.
  std::vector<int64_t> groups = {};
};

// What features may be made from.
struct FeatureSource {
  models::SampleShape sample;
  c10::Device device{c10::DeviceType::CPU};
  uint64_t seed = 0;
  models::NetworkPtr classifier = nullptr;     // for those that need it: frozen, on the device
  at::Tensor reals = {};                       // [n, values], CPU; for those that need them
  const tensor::NamedTensors* kept = nullptr;  // the `weights` of an earlier start; null: made now
};

struct FeatureKind {
  const char* name;  // in train.calibration.features, of which config/bind.cpp has the words
  bool needs_images = true;
  bool needs_classifier = false;  // of the run's own labels, and not the one that evaluates
  bool needs_reals = false;       // some of those that fit
  bool squares = true;            // a tilt takes those of their components, too: spreads beside means
  bool correlated = false;        // their correlations say more than their means: a tilt takes products, too
  SampleFeatures (*make)(const FeatureSource& source);
};

// No kind, but a word for a tilt all the same: the score itself, with a slope for each class of a conditional
// generator.
inline constexpr const char* class_slopes = "classes";

extern const FeatureKind pixel_features, convolution_features, classifier_features, wave_features, cluster_features;
const std::vector<const FeatureKind*>& feature_kinds();
const FeatureKind* feature_kind(const std::string& name);  // null: there is none; the name is that of a file
// Of a kind, or of the file `name`, .pt2 or TorchScript. Throws Error: missing, data, config (features that these
// samples cannot have).
SampleFeatures make_sample_features(const std::string& name, const FeatureSource& source);

}  // namespace ddls::sampling

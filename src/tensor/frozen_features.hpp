#pragma once
// Features of images by a network from elsewhere whose weights stay as they are: a .pt2 archive (pt2_extractor.hpp) or
// TorchScript by the convention of evaluate.extractor (docs/formats.md, section 9), called with floating-point values
// in 0..255, through which a gradient must pass.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

namespace ddls::tensor {

class FrozenFeatures {
 public:
  // Opens the file and tries it on images of `shape`, C, H, W; grey ones are repeated over three channels where the
  // network takes colour alone. `key` names the file's key in messages. Throws Error: missing; data: neither kind of
  // file, fails on such images or on its own self-test, feature groups of another width, or a network through which no
  // gradient passes; config: an archive for another kind of device.
  FrozenFeatures(const std::string& file, const char* key, const std::vector<int64_t>& shape, c10::Device device);

  int64_t width() const { return width_; }  // F
  // Widths of the groups that features come in, of several layers for one: `feature_groups` of an archive, an attribute
  // of that name (List[int]) of TorchScript. They add up to F; empty: one group.
  const std::vector<int64_t>& groups() const { return groups_; }
  const std::string& sha256() const { return sha256_; }

  // Images [n, C, H, W] in [-1, 1], float32 or float64 -> [n, F] of that type, differentiable with respect to them.
  // Throws Error(data).
  at::Tensor of(const at::Tensor& images) const;
  // Features, and what their backward pass needs: the images, and of TorchScript the graph that `features` carries.
  struct Kept {
    at::Tensor images, features;
  };
  Kept kept(const at::Tensor& images) const;
  // That backward pass, once, for a gradient [n, F] of the features. Does not run forward again.
  at::Tensor pullback(const Kept& kept, const at::Tensor& gradient) const;

 private:
  class Network;

  std::string file_, sha256_;
  std::shared_ptr<Network> network_;
  bool colour_ = false;
  int64_t width_ = 0;
  std::vector<int64_t> groups_;
};

// The same, opened once in a process: checks before the work and every network that needs it share it from then on. A
// file that is replaced meanwhile is not seen. Any thread may call it.
std::shared_ptr<const FrozenFeatures> frozen_features(const std::string& file, const char* key,
                                                      const std::vector<int64_t>& shape, c10::Device device);

}  // namespace ddls::tensor

#pragma once
// A feature network as a .pt2 archive, written by tools/export_extractor.py (docs/export.md): program `features`, uint8
// images [n, C, H, W] in 0..255 -> features [n, F], logits [n, K]; and, where a gradient passes, `features_float` and
// `features_vjp`, the same features of floating-point images in 0..255 and their backward pass.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensor/pt2_archive.hpp"

namespace ddls::tensor {

enum class Pt2Use { values, gradients };  // which programs are loaded: `features`, or the two others

class Pt2Extractor {
 public:
  // Opens, loads and holds the programs against the archive's self-test. `what` names the key or option. Throws Error:
  // missing; data (pt2_archive.hpp; ddls.json; the self-test); config where it is made for another kind of device.
  Pt2Extractor(const std::filesystem::path& file, const std::string& what, c10::Device device, Pt2Use use);

  int64_t side() const { return side_; }  // of the squares that it takes alone, or scales images to; 0: neither
  // Widths of the groups that features come in, of several layers for one; they add up to F. Empty: one group.
  const std::vector<int64_t>& groups() const { return groups_; }

  // For Pt2Use::values: features and logits. Throws Error(data): images of other channels or sizes than it takes; and
  // what the interpreter throws.
  std::vector<at::Tensor> outputs(const at::Tensor& images_u8) const;
  // For Pt2Use::gradients: [n, F] of the type of the images, differentiable with respect to them.
  at::Tensor of(const at::Tensor& images) const;
  // Its backward pass for a gradient [n, F] of the features.
  at::Tensor pullback(const at::Tensor& images, const at::Tensor& gradient) const;

 private:
  struct Programs;
  struct Described;
  struct Call;

  void describe(const Pt2Archive& archive, Described& about);
  void load(const Pt2Archive& archive, Pt2Use use);
  void self_test(const Described& about, c10::Device device, Pt2Use use) const;
  void require_images(const at::Tensor& images) const;

  std::string file_;
  int64_t channels_ = 0, features_ = 0, classes_ = 0, side_ = 0;
  std::vector<int64_t> groups_;
  std::optional<std::pair<int64_t, int64_t>> size_;  // height, width; none: any
  std::shared_ptr<const Programs> programs_;
};

}  // namespace ddls::tensor

#pragma once
// Some of the images of another source, in an order of their own.
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "data/image_source.hpp"

namespace ddls::data {

class ImagePart : public ImageSource {
 public:
  ImagePart(std::shared_ptr<const ImageSource> whole, const at::Tensor& ids);  // [n] int64, CPU

  int64_t size() const override { return static_cast<int64_t>(ids_.size()); }
  std::string bytes(int64_t id) const override { return whole_->bytes(of(id)); }
  std::string name(int64_t id) const override { return whole_->name(of(id)); }
  uint64_t digest() const override;

 private:
  int64_t of(int64_t id) const { return ids_[static_cast<size_t>(id)]; }

  std::shared_ptr<const ImageSource> whole_;
  std::vector<int64_t> ids_;
};

}  // namespace ddls::data

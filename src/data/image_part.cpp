#include "data/image_part.hpp"

#include <ATen/ATen.h>

#include "base/files.hpp"

namespace ddls::data {

ImagePart::ImagePart(std::shared_ptr<const ImageSource> whole, const at::Tensor& ids) : whole_(std::move(whole)) {
  const at::Tensor dense = ids.contiguous();
  const int64_t* first = dense.const_data_ptr<int64_t>();
  ids_.assign(first, first + dense.numel());
}

uint64_t ImagePart::digest() const { return hash64(std::as_bytes(std::span(ids_)), whole_->digest()); }

}  // namespace ddls::data

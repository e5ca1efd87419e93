#pragma once
// Images that are decoded when they are asked for, all to one shape. Nothing decoded is kept.
#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "data/image_source.hpp"
#include "data/pixel_log.hpp"
#include "tensor/pixel_rules.hpp"

namespace ddls::data {

struct DecodeOptions {
  int64_t size = 0;      // 0: as stored, all alike; else cropped and scaled (fit_image.hpp)
  int64_t channels = 0;  // 0: as stored, all alike
  bool skip_damaged = false;
  tensor::PixelRules rules = {};
};

// In place of a damaged image comes the next good one in the order of ids (after the last the first), whatever was
// asked for before: which image that is depends on the files alone, so all ranks and threads agree. All methods may be
// called in several threads at once.
class LazyImages {
 public:
  // Decodes one image to learn the shape. Throws as `decode` does.
  // `log`: of the set that these images are of; none: a new one.
  LazyImages(std::shared_ptr<const ImageSource> source, const DecodeOptions& options,
             std::shared_ptr<PixelLog> log = nullptr);

  int64_t size() const { return source_->size(); }
  const std::vector<int64_t>& shape() const { return shape_; }  // [C, H, W]
  const std::shared_ptr<PixelLog>& pixel_log() const { return pixel_log_; }
  bool skips_damaged() const { return options_.skip_damaged; }
  bool is_damaged(int64_t id) const;  // decodes it. Throws Error(data) unless skips_damaged()
  int64_t damaged() const;            // different images found damaged so far
  at::Tensor damaged_ids() const;     // their ids, [n] int64, ascending
  uint64_t digest() const;  // of the names and sizes of the files and how they are decoded; not of their content

  // Writes image `id`, uint8 [C, H, W], to `out`; returns the id of the image that it was. `place`: fit_image.hpp.
  // Throws Error(data) that names the file: damaged, or of another shape where `size` or `channels` is 0.
  int64_t decode(int64_t id, std::optional<double> place, uint8_t* out) const;

  // Rows [n, C, H, W] uint8, decoded in as many threads as torch uses, and the ids they are of, [n] int64.
  struct Rows {
    at::Tensor images, ids;
  };
  Rows rows(const at::Tensor& ids) const;

  // The images `ids` ([n] int64, n > 0) alone, under new ids 0, 1, ...; a damaged one is replaced by another of them.
  std::shared_ptr<const LazyImages> part(const at::Tensor& ids) const;

 private:
  std::optional<at::Tensor> try_decode(int64_t id, std::optional<double> place) const;  // nothing: damaged

  std::shared_ptr<const ImageSource> source_;
  DecodeOptions options_;
  std::vector<int64_t> shape_;
  mutable std::mutex mutex_;
  mutable std::set<int64_t> damaged_;
  mutable std::atomic<bool> any_damaged_ = false;
  std::shared_ptr<PixelLog> pixel_log_;
};

}  // namespace ddls::data

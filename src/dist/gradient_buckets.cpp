#include "dist/gradient_buckets.hpp"

namespace ddls::dist {

std::vector<GradientBucket> make_buckets(std::span<const tensor::ParameterSlice> slices, int64_t total,
                                         int64_t element_size, int64_t bucket_bytes, int64_t first_bucket_bytes) {
  std::vector<GradientBucket> buckets;
  GradientBucket open{total, total, slices.size(), slices.size()};
  for (size_t i = slices.size(); i-- > 0;) {
    open.begin = slices[i].offset;
    open.first_slice = i;
    const int64_t limit = buckets.empty() ? first_bucket_bytes : bucket_bytes;
    if (i > 0 && (open.end - open.begin) * element_size < limit) continue;
    buckets.push_back(open);
    open = {open.begin, open.begin, i, i};
  }
  return buckets;
}

}  // namespace ddls::dist

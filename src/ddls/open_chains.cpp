#include "ddls/open_chains.hpp"

#include <ATen/ATen.h>

#include "ddls/chains.hpp"
#include "device/host_copy.hpp"

namespace ddls::sampling {

std::optional<OpenChains::Rows> OpenChains::next(const at::Tensor& open,
                                                 const std::function<int64_t(int64_t count)>& size_for) {
  if (open.is_cpu()) {
    const at::Tensor wanted = open.nonzero().squeeze(1);
    if (wanted.size(0) == 0) return std::nullopt;
    return Rows{wanted, padded_rows(wanted, size_for(wanted.size(0)))};
  }
  int64_t known = open.size(0);
  if (static_cast<int64_t>(counts_.size()) == lag) {
    known = counts_.front()();
    counts_.pop_front();
  }
  last_ = open.sum();
  counts_.emplace_back([copy = device::copy_to_host(last_)] { return copy().item<int64_t>(); });
  if (known == 0) return std::nullopt;
  const at::Tensor first = at::argsort(open.to(at::kByte), /*stable=*/true, 0, /*descending=*/true);
  const at::Tensor rows = first.narrow(0, 0, size_for(known));
  return Rows{rows, rows};
}

void OpenChains::start_after(const std::vector<int64_t>& counts) {
  counts_.clear();
  for (const int64_t count : counts) counts_.emplace_back([count] { return count; });
}

}  // namespace ddls::sampling

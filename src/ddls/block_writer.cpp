#include "ddls/block_writer.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <utility>

#include "device/host_copy.hpp"

namespace ddls::sampling {

void BlockWriter::write(const Block& block, BlockResult result) {
  finish();
  std::vector<std::pair<at::Tensor BlockResult::*, std::function<at::Tensor()>>> copies;
  for (const auto part : {&BlockResult::latents, &BlockResult::samples, &BlockResult::labels})
    if ((result.*part).defined() && !(result.*part).is_cpu())
      copies.emplace_back(part, device::copy_to_host(result.*part));
  under_way_ = std::async(std::launch::async, [this, block, result = std::move(result), copies]() mutable {
    for (const auto& [part, copy] : copies) result.*part = copy();
    store_.write(block, result);
  });
}

void BlockWriter::check() {
  if (under_way_.valid() && under_way_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) under_way_.get();
}

void BlockWriter::finish() {
  if (under_way_.valid()) under_way_.get();
}

}  // namespace ddls::sampling

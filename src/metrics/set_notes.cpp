#include "metrics/set_notes.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "dist/failure.hpp"

namespace ddls::metrics {
namespace {

// The ids of the damaged ones among `ids`, marked in `marks`. The first error of all is thrown.
void mark_damaged(const EvaluationSet& set, IdRange ids, at::Tensor& marks) {
  uint8_t* const mark = marks.mutable_data_ptr<uint8_t>();
  std::vector<std::exception_ptr> failures(static_cast<size_t>(ids.size()));
  at::parallel_for(ids.begin, ids.end, 1, [&](int64_t begin, int64_t end) {
    for (int64_t id = begin; id < end; ++id) {
      try {
        mark[id] = set.is_damaged(id) ? 1 : 0;
      } catch (...) {
        failures[static_cast<size_t>(id - ids.begin)] = std::current_exception();
        return;
      }
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

EvaluationSet without_damaged(dist::Communicator& comm, EvaluationSet set) {
  if (!set.is_damaged) return set;
  at::Tensor marks = at::zeros({set.count}, at::kByte);
  comm.together([&] {
    const IdRange own{set.count * comm.rank() / comm.ranks(), set.count * (comm.rank() + 1) / comm.ranks()};
    mark_damaged(set, own, marks);
  });
  comm.all_reduce(marks);
  const at::Tensor good = marks.eq(0).nonzero().squeeze(1);
  const int64_t damaged = set.count - good.numel();
  if (damaged == 0) return set;
  if (good.numel() == 0) dist::all_fail(Exit::data, "{}: all {} images are damaged", set.name, set.count);
  if (comm.root())
    log::warning("{}: {} of {} images are damaged and left out (data.damaged: skip)", set.name, damaged, set.count);
  EvaluationSet rest = comm.together([&] { return set.part(good); });
  rest.class_names = set.class_names;
  rest.unlabelled = set.unlabelled;
  rest.left_out = set.left_out;
  rest.damaged = set.damaged + damaged;
  rest.class_names = set.class_names;
  rest.left_out = set.left_out;
  rest.unlabelled = set.unlabelled;
  return rest;
}

Json record_of(dist::Communicator& comm, const EvaluationSet& set) {
  Json record{{"name", set.name}, {"count", set.count}};
  if (set.statistics_only()) {
    record["count"] = set.statistics->count > 0 ? Json(set.statistics->count) : nullptr;
    record["statistics"] = true;
  }
  if (set.damaged > 0) record["damaged"] = set.damaged;
  if (!set.pixel_log) return record;
  uint8_t all = 0;
  for (int bit = 0; bit < 8; ++bit)
    if (comm.any((set.pixel_log->met() >> bit & 1) != 0)) all = static_cast<uint8_t>(all | 1 << bit);
  set.pixel_log->add_elsewhere(all, set.name);
  if (all != 0) record["pixels"] = set.pixel_log->words(all);
  return record;
}

}  // namespace ddls::metrics

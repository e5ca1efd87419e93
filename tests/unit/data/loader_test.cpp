#include "data/loader.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <thread>

#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "unit/data/memory_source.hpp"
#include "unit/data/network_input.hpp"

namespace ddls::data::loader_test {
namespace {

using namespace test;

constexpr int64_t count = 50, batch = 12;
const std::vector<IdRange> two_shards{{0, 6}, {6, 12}};

// Images of 4 x 6 random pixels, label = id.
std::vector<std::string> random_files() {
  std::vector<std::string> files;
  for (int64_t i = 0; i < count; ++i)
    files.push_back(tensor::encode_png(((at::arange(24) * 37 + i * 11) % 256).to(at::kByte).view({1, 4, 6})));
  return files;
}

Dataset lazy_set(const std::shared_ptr<MemorySource>& source, const DecodeOptions& options) {
  return {"lazy", {}, at::arange(count, at::kLong), 0, std::make_shared<LazyImages>(source, options)};
}

TEST(Loader, batches_are_the_same_for_any_threads_shards_and_lookahead) {
  const auto source = std::make_shared<MemorySource>(random_files());
  const Dataset data = lazy_set(source, {4, 1, false});
  const Augment augment{5, true, true, true};
  std::vector<at::Tensor> expected, expected_labels;
  Loader plain(data, 3, batch, {{0, batch}}, {augment, 0, 1});
  for (int64_t step = 0; step < 9; ++step) {  // more than two epochs
    const LoadedBatch loaded = plain.batch(step * batch, batch);
    expected.push_back(loaded.input);
    expected_labels.push_back(loaded.labels);
  }
  for (const int64_t threads : {1, 2, 3, 4}) {
    Loader loader(data, 3, batch, two_shards, {augment, threads, threads});
    for (int64_t step = 0; step < 9; ++step) {
      for (const IdRange& shard : two_shards) {
        const LoadedBatch loaded = loader.batch(step * batch + shard.begin, shard.size());
        const auto at_step = static_cast<size_t>(step);
        EXPECT_TRUE(at::equal(loaded.input, expected[at_step].narrow(0, shard.begin, 6))) << threads << " " << step;
        EXPECT_TRUE(at::equal(loaded.labels, expected_labels[at_step].narrow(0, shard.begin, 6)));
      }
    }
    // Back to an earlier step, and beyond: as after a resume.
    EXPECT_TRUE(at::equal(loader.batch(2 * batch, 6).input, expected[2].narrow(0, 0, 6)));
    EXPECT_TRUE(at::equal(loader.batch(7 * batch + 6, 6).input, expected[7].narrow(0, 6, 6)));
  }
}

TEST(Loader, without_random_parts_it_is_the_network_input) {
  const auto source = std::make_shared<MemorySource>(random_files());
  const Dataset lazy = lazy_set(source, {});
  const Dataset memory{"memory", lazy.rows(0, count), lazy.labels};
  const Dataset points{"points", at::rand({count, 2}), lazy.labels};
  EpochOrder order(3, count);
  const at::Tensor ids = order.ids(batch, batch);
  for (const Dataset& data : {lazy, memory, points}) {
    Loader loader(data, 3, batch, {{0, batch}}, {{}, 2, 2});
    const LoadedBatch loaded = loader.batch(batch, batch);
    EXPECT_TRUE(at::equal(loaded.input, test::network_input(data, ids))) << data.name;
    EXPECT_TRUE(at::equal(loaded.labels, ids));
  }
}

TEST(Loader, memory_is_bounded_by_the_lookahead) {
  const auto source = std::make_shared<MemorySource>(random_files());
  const Dataset data = lazy_set(source, {});
  const int64_t opening = source->reads;
  constexpr int64_t lookahead = 2;
  Loader loader(data, 3, batch, {{0, batch}}, {{}, 3, lookahead});
  for (int64_t step = 0; step < 3; ++step) {
    loader.batch(step * batch, batch);
    const int64_t most = (step + 1 + lookahead) * batch;
    // All of what may be made ahead is made while the caller does other things, and nothing more.
    while (source->reads - opening < most) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(source->reads - opening, most) << step;
  }
}

TEST(Loader, damage_is_told_with_its_batch_or_replaced_with_its_label) {
  std::vector<std::string> files = random_files();
  EpochOrder order(3, count);
  const at::Tensor third = order.ids(2 * batch, batch);
  const auto victim = third[5].item<int64_t>(), later = third[9].item<int64_t>();
  files[static_cast<size_t>(victim)] = files[static_cast<size_t>(later)] = "damaged";
  for (const int64_t threads : {0, 1, 4}) {
    const Dataset fatal = lazy_set(std::make_shared<MemorySource>(files), {});
    Loader loader(fatal, 3, batch, {{0, batch}}, {{}, threads, 4});
    loader.batch(0, batch);
    loader.batch(batch, batch);
    const auto thrown = thrown_by([&] { loader.batch(2 * batch, batch); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, fmt::format("image {}'", victim))) << thrown.message;
    EXPECT_EQ(loader.batch(3 * batch, batch).input.size(0), batch);

    const Dataset skipping = lazy_set(std::make_shared<MemorySource>(files), {0, 0, true});
    Loader skipper(skipping, 3, batch, {{0, batch}}, {{}, threads, 4});
    const LoadedBatch loaded = skipper.batch(2 * batch, batch);
    auto stand_in = (victim + 1) % count;
    if (stand_in == later) stand_in = (stand_in + 1) % count;
    EXPECT_EQ(loaded.labels[5].item<int64_t>(), stand_in);
    EXPECT_TRUE(at::equal(loaded.input[5], test::network_input(skipping, at::tensor({stand_in}, at::kLong))[0]));
  }
}

TEST(Loader, can_end_with_work_in_hand) {
  const Dataset data = lazy_set(std::make_shared<MemorySource>(random_files()), {});
  for (int repeat = 0; repeat < 20; ++repeat) {
    Loader loader(data, 3, batch, two_shards, {{}, 3, 5});
    loader.batch(0, 6);
  }
}

TEST(Loader, knows_its_plan) {
  const Dataset data = lazy_set(std::make_shared<MemorySource>(random_files()), {});
  Loader loader(data, 3, batch, two_shards, {{}, 1, 1});
  EXPECT_EQ(thrown_by([&] { loader.batch(3, 6); }).code, Exit::internal);
}

}  // namespace
}  // namespace ddls::data::loader_test

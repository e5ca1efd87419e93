#include "ddls/methods/ula.hpp"
#include "ddls/sampler.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/npz.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls::sampling::sampler_test {
namespace {

struct Fixture : ::testing::Test {
  fs::path folder = fs::path(::testing::TempDir()) /
                    (std::string("ddls_sampler_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
  Target target = gaussian_target(std::vector<double>{2.0, 2.0});
  tensor::Noise noise{11};
  config::SampleConfig config = test::sample_config({"ddls.steps=7", "ddls.step_size=0.1"});
  BlockPlan plan{25, 10};  // the last block is short

  void SetUp() override {
    fs::remove_all(folder);
    config.record_every = 3;
    config.snapshot_every = 5;
    config.trajectories = 12;
    config.count = plan.count;
  }

  UlaOptions& ddls_options() { return config.options_of("ddls").as<UlaOptions>(); }
  Method method() const { return make_method("ddls", config, target, noise); }
  void sample(SampleStore& store, std::vector<Block> blocks) {
    const Method m = method();
    EXPECT_TRUE(run_blocks(
        m, target, noise, blocks, plan_records(config, m.steps), store, [](int64_t, int64_t) {}, [] { return false; }));
  }
  void assemble(SampleStore& store) {
    const RecordPlan records = plan_records(config, ddls_options().steps);
    store.assemble(method(), records.records, {1.0, 0.25});
  }
};

using Sampler = Fixture;

TEST_F(Sampler, RecordsStartEndAndEveryNth) {
  const RecordPlan records = plan_records(config, 7);
  EXPECT_EQ(records.records, (std::vector<int64_t>{0, 3, 6, 7}));
  EXPECT_EQ(records.snapshots, (std::vector<int64_t>{0, 5, 7}));
}

TEST_F(Sampler, AssemblesWhatTheChainsDid) {
  SampleStore store(folder, {"key"}, plan);
  store.prepare();
  sample(store, plan.blocks_of(0, 1));
  EXPECT_FALSE(store.finished());
  assemble(store);
  EXPECT_TRUE(store.finished());

  // The same chains by hand, as one block.
  Chains chains = start_chains({0, 25}, target, noise);
  const at::Tensor start = chains.z.cpu();
  const Method m = method();
  for (int64_t step = 0; step < 7; ++step) m.advance(chains, step);
  chains.z = chains.z.cpu();
  EXPECT_TRUE(at::equal(tensor::read_npz(folder / "latents.npz").at("arr_0"), chains.z));
  EXPECT_TRUE(at::equal(tensor::read_npz(folder / "samples.npz").at("arr_0"), chains.z));
  EXPECT_TRUE(at::equal(tensor::read_npz(folder / "snapshots" / "step-000000.npz").at("arr_0"), start));
  EXPECT_TRUE(at::equal(tensor::read_npz(folder / "snapshots" / "step-000007.npz").at("arr_0"), chains.z));
  const tensor::NamedTensors paths = tensor::read_npz(folder / "trajectories.npz");
  EXPECT_EQ(paths.at("latents").sizes(), (std::vector<int64_t>{4, 12, 2}));
  EXPECT_TRUE(at::equal(paths.at("latents")[3], chains.z.narrow(0, 0, 12)));
  EXPECT_FALSE(fs::exists(folder / "blocks"));

  std::ifstream curves(folder / "chains.jsonl");
  std::string line, last;
  int lines = 0;
  while (std::getline(curves, line)) ++lines, last = line;
  EXPECT_EQ(lines, 4);
  EXPECT_NE(last.find("\"step\":7"), std::string::npos);
}

TEST_F(Sampler, GoesOnFromFinishedBlocksWithTheSameBytes) {
  SampleStore whole(folder / "whole", {"key"}, plan), cut(folder / "cut", {"key"}, plan);
  whole.prepare();
  cut.prepare();
  sample(whole, plan.blocks_of(0, 1));
  assemble(whole);
  sample(cut, {plan.block(2)});
  EXPECT_TRUE(cut.has(plan.block(2)));
  EXPECT_FALSE(cut.has(plan.block(0)));
  sample(cut, plan.blocks_of(1, 2));
  sample(cut, plan.blocks_of(0, 2));
  assemble(cut);
  for (const char* file :
       {"samples.npz", "latents.npz", "trajectories.npz", "chains.jsonl", "snapshots/step-000005.npz"})
    EXPECT_EQ(sha256_of_file(folder / "whole" / file), sha256_of_file(folder / "cut" / file)) << file;
}

struct Killed {};

TEST_F(Sampler, GoesOnWithinABlockWithTheSameBytes) {
  SampleStore whole(folder / "whole", {"key"}, plan), cut(folder / "cut", {"key"}, plan);
  whole.prepare();
  cut.prepare();
  sample(whole, plan.blocks_of(0, 1));
  assemble(whole);

  const Method m = method();
  const RecordPlan records = plan_records(config, m.steps);
  int64_t made = 0;
  const auto run = [&](int64_t kill_at, const std::function<bool()>& stop) {
    return run_blocks(
        m, target, noise, plan.blocks_of(0, 1), records, cut,
        [&](int64_t, int64_t step) {
          if (step > 0 && ++made == kill_at) throw Killed();
        },
        stop, 3);
  };
  const auto never = [] { return false; };
  EXPECT_THROW(run(12, never), Killed);  // in step 5 of the second block; its state is that of step 3
  EXPECT_TRUE(cut.has(plan.block(0)));
  ASSERT_TRUE(cut.read_state(plan.block(1)));
  EXPECT_FALSE(SampleStore(folder / "cut", {"another key"}, plan).read_state(plan.block(1)));
  int asked = 0;
  made = 0;
  EXPECT_FALSE(run(0, [&] { return ++asked == 7; }));  // asked to stop within a block: its state is saved first
  EXPECT_TRUE(run(0, never));
  EXPECT_EQ(made, (7 - 3) + 7);  // nothing was done twice but what the kill lost
  EXPECT_FALSE(cut.read_state(plan.block(1)));
  assemble(cut);
  for (const char* file :
       {"samples.npz", "latents.npz", "trajectories.npz", "chains.jsonl", "snapshots/step-000005.npz"})
    EXPECT_EQ(sha256_of_file(folder / "whole" / file), sha256_of_file(folder / "cut" / file)) << file;
}

TEST_F(Sampler, LabelsOfConditionalChainsAreStored) {
  target.labels_of = [](IdRange ids) { return at::arange(ids.begin, ids.end, at::kLong).remainder(3); };
  SampleStore store(folder, {"key"}, plan);
  store.prepare();
  sample(store, plan.blocks_of(0, 1));
  assemble(store);
  EXPECT_TRUE(at::equal(tensor::read_npz(folder / "samples.npz").at("arr_1"), at::arange(25, at::kLong).remainder(3)));
  EXPECT_FALSE(tensor::read_npz(folder / "latents.npz").contains("arr_1"));
}

TEST_F(Sampler, DamagedOrForeignBlocksAreComputedAgain) {
  SampleStore store(folder, {"key"}, plan);
  store.prepare();
  sample(store, plan.blocks_of(0, 1));
  EXPECT_FALSE(SampleStore(folder, {"another key"}, plan).has(plan.block(0)));
  const fs::path file = folder / "blocks" / "block-000001.safetensors";
  std::string bytes = read_file(file);
  bytes[bytes.size() - 3] ^= 1;
  write_file(file, bytes);
  EXPECT_FALSE(store.has(plan.block(1)));
  EXPECT_TRUE(store.has(plan.block(0)));
}

// Of a folder that was copied badly: rows of another size, none, a folder in their place, a manifest that is cut off.
TEST_F(Sampler, FilesOfRowsThatCannotBeOnesAreMadeAnew) {
  SampleStore whole(folder / "whole", {"key"}, plan), cut(folder / "cut", {"key"}, plan);
  whole.prepare();
  sample(whole, plan.blocks_of(0, 1));
  assemble(whole);
  cut.prepare();
  sample(cut, {plan.block(0), plan.block(1)});
  fs::path rows;
  for (const auto& entry : fs::directory_iterator(folder / "cut" / "blocks"))
    if (entry.is_directory()) rows = entry.path();
  ASSERT_FALSE(rows.empty());
  fs::resize_file(rows / "samples.npz", 100);
  fs::remove(rows / "snapshots" / "step-000005.npz");
  fs::remove(rows / "latents.npz");
  fs::create_directory(rows / "latents.npz");
  write_file(rows / "manifest.json", "{\"files\": ");
  EXPECT_FALSE(cut.finished());
  cut.prepare();
  EXPECT_FALSE(cut.has(plan.block(0)));
  sample(cut, plan.blocks_of(0, 1));
  assemble(cut);
  EXPECT_TRUE(cut.finished());
  for (const char* file : {"samples.npz", "latents.npz", "snapshots/step-000005.npz"})
    EXPECT_EQ(sha256_of_file(folder / "whole" / file), sha256_of_file(folder / "cut" / file)) << file;
}

TEST_F(Sampler, SamplesThatWereTamperedWithAreNotFinished) {
  SampleStore store(folder, {"key"}, plan);
  store.prepare();
  sample(store, plan.blocks_of(0, 1));
  assemble(store);
  std::string bytes = read_file(folder / "samples.npz");
  bytes[bytes.size() / 2] ^= 1;
  write_file(folder / "samples.npz", bytes);
  EXPECT_FALSE(store.finished());
}

TEST_F(Sampler, ChainsThatLeaveTheFiniteNumbersAreAnError) {
  ddls_options().step_size = 1e3;
  ddls_options().steps = 200;
  SampleStore store(folder, {"key"}, plan);
  store.prepare();
  const Method m = method();
  EXPECT_THROW(run_block(m, target, noise, plan.block(0), plan_records(config, m.steps)), std::exception);
}

// Blocks are written beside the chains of the next: what goes wrong there ends the next block, not only the last.
TEST_F(Sampler, AWriteThatFailsEndsTheChains) {
  SampleStore store(folder, {"key"}, plan);
  store.prepare();
  fs::remove_all(folder / "blocks");
  write_file(folder / "blocks", "a file where a folder should be");
  ddls_options().steps = 1'000'000;  // minutes, if nothing ended them
  config.record_every = 1'000'000;
  config.snapshot_every = 0;
  config.trajectories = 0;
  config.diagnosed_chains = 0;
  Method m = method();
  const int64_t long_block = m.steps;
  m.steps = 10;
  int64_t steps = 0;
  try {
    run_blocks(
        m, target, noise, plan.blocks_of(0, 1), plan_records(config, 10), store,
        [&](int64_t, int64_t step) {
          if (step == 0) m.steps = long_block;  // of the blocks after the first
          ++steps;
        },
        [] { return false; });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::runtime);
  }
  EXPECT_LT(steps, long_block);
}

TEST_F(Sampler, StopsBetweenBlocks) {
  SampleStore store(folder, {"key"}, plan);
  store.prepare();
  const Method m = method();
  int asked = 0;
  EXPECT_FALSE(run_blocks(
      m, target, noise, plan.blocks_of(0, 1), plan_records(config, m.steps), store, [](int64_t, int64_t) {},
      [&] { return ++asked > 1; }));
  EXPECT_TRUE(store.has(plan.block(0)));
  EXPECT_FALSE(store.has(plan.block(1)));
}

}  // namespace
}  // namespace ddls::sampling::sampler_test

#include "pipeline/stages.hpp"

#include "base/json_fields.hpp"
#include "dist/failure.hpp"
#include "mpi/world.hpp"
#include "pipeline/energy_stage.hpp"
#include "scratch_folder.hpp"
#include "train/calibrate.hpp"
#include "unit/pipeline/tiny_runs.hpp"

namespace ddls::test::stages_test {
namespace {

namespace fs = std::filesystem;

pipeline::Run opened(const config::Config& config, const fs::path& folder,
                     train::Resume resume = train::Resume::automatic) {
  return pipeline::open_run(config, {.out = folder, .resume = resume}, world());
}

using Times = std::map<std::string, fs::file_time_type>;

// When the files of a run's work were written.
Times times_of(const fs::path& run_folder) {
  Times times;
  for (const char* part : {"checkpoints", "energies", "samples"})
    for (const auto& entry : fs::recursive_directory_iterator(run_folder / part))
      if (entry.is_regular_file()) times[fs::relative(entry.path(), run_folder).string()] = entry.last_write_time();
  return times;
}

std::vector<std::string> written_between(const Times& before, const Times& after) {
  std::vector<std::string> files;
  for (const auto& [file, time] : after)
    if (!before.contains(file) || before.at(file) != time) files.push_back(file);
  return files;
}

void expect_report(const fs::path& folder, const std::string& summary) {
  const Json report = read_json_object(folder / "report.json");
  std::vector<std::string> methods;
  for (const auto& [name, record] : report["methods"].items()) {
    methods.push_back(name);
    EXPECT_EQ(record["count"], 40) << name;
    EXPECT_GT(record["metrics"]["frechet_distance"].get<double>(), 0) << name;
    EXPECT_TRUE(contains(summary, name)) << summary;
    EXPECT_TRUE(fs::exists(folder / "samples" / name / "grid.png")) << name;
  }
  EXPECT_EQ(methods, (std::vector<std::string>{"generator", "ddls"}));
  EXPECT_EQ(report["energies"].size(), 1U);
  EXPECT_TRUE(report["energies"].contains("ratio"));
  for (const char* stage : {"train", "energy", "sample", "evaluate"})
    EXPECT_TRUE(report["seconds"].contains(stage)) << stage;
  EXPECT_TRUE(fs::exists(folder / "report.html"));
}

TEST(Pipeline, of_points_ends_with_a_report) {
  const ScratchFolder scratch;
  auto run = opened(tiny_points(), scratch / "run");
  const std::string summary = pipeline::run_pipeline(run);
  expect_report(scratch / "run", summary);
}

TEST(Pipeline, of_images_trains_its_own_extractor) {
  const ScratchFolder scratch;
  auto run = opened(tiny_images(scratch / "data"), scratch / "run");
  const std::string summary = pipeline::run_pipeline(run);
  expect_report(scratch / "run", summary);
  EXPECT_TRUE(fs::exists(scratch / "run/extractor/classifier.pt"));
  for (const char* method : {"generator", "ddls"})
    EXPECT_TRUE(fs::exists(run.samples_of(method) / "neighbours.npz")) << method;
  EXPECT_EQ(samples_of(scratch / "run", "ddls").sizes(), at::IntArrayRef({40, 8, 8, 1}));
}

TEST(Stages, what_is_done_is_not_done_again) {
  const ScratchFolder scratch;
  const fs::path folder = scratch / "run";
  const config::Config config = tiny_points();
  uint64_t digest = 0;
  {
    auto run = opened(config, folder);
    const pipeline::TrainedTarget trained = pipeline::train_stage(run);
    pipeline::sample_stage(run, trained);
    digest = trained.digest;
  }
  const Times before = times_of(folder);
  const std::string logged = get_bytes(folder / "metrics.jsonl");
  auto run = opened(config, folder);
  const pipeline::TrainedTarget again = pipeline::train_stage(run);
  pipeline::sample_stage(run, again);
  EXPECT_EQ(again.digest, digest);
  EXPECT_EQ(pipeline::load_target(run, "").digest, digest);
  EXPECT_EQ(written_between(before, times_of(folder)), std::vector<std::string>{});
  EXPECT_EQ(get_bytes(folder / "metrics.jsonl"), logged);
  EXPECT_EQ(read_json_object(folder / "run.json")["starts"].size(), 1U);  // the second start had nothing to do

  auto anew = opened(config, folder, train::Resume::never);
  EXPECT_EQ(pipeline::train_stage(anew).digest, digest);  // it depends on nothing but the configuration
  EXPECT_GT(written_between(before, times_of(folder)).size(), 4U);
  EXPECT_EQ(read_json_object(folder / "run.json")["starts"].size(), 2U);
}

TEST(Stages, another_training_in_the_same_folder_is_refused) {
  const ScratchFolder scratch;
  config::Config config = tiny_points();
  auto run = opened(config, scratch / "run");
  pipeline::train_stage(run);
  const std::string written = get_bytes(scratch / "run/config.yaml");
  config.train.r1_weight = 0.5;
  auto other = opened(config, scratch / "run");
  const Thrown thrown = thrown_by([&] { pipeline::train_stage(other); });
  EXPECT_EQ(thrown.code, Exit::config);
  EXPECT_TRUE(contains(thrown.message, "r1_weight")) << thrown.message;
  EXPECT_EQ(get_bytes(scratch / "run/config.yaml"), written);
}

TEST(Stages, say_what_is_missing) {
  const ScratchFolder scratch;
  auto run = opened(tiny_points(), scratch / "run", train::Resume::require);
  EXPECT_EQ(thrown_by([&] { pipeline::train_stage(run); }).code, Exit::missing);
  const Thrown networks = thrown_by([&] { pipeline::load_target(run, ""); });
  EXPECT_EQ(networks.code, Exit::missing);
  EXPECT_TRUE(contains(networks.message, "ddls_dist train")) << networks.message;
  EXPECT_EQ(thrown_by([&] { pipeline::load_target(run, (scratch / "none").string()); }).code, Exit::missing);
  EXPECT_EQ(thrown_by([&] { pipeline::evaluate_stage(run); }).code, Exit::missing);
  EXPECT_EQ(thrown_by([&] { pipeline::report_stage(run); }).code, Exit::missing);
  EXPECT_THROW(pipeline::load_target(run, ""), dist::CollectiveError);
}

TEST(Stages, refuse_options_that_evaluation_could_not_keep) {
  const ScratchFolder scratch;
  config::Config config = tiny_images(scratch / "data");
  config.evaluate.extractor = {(scratch / "none.pt").string()};
  auto run = opened(config, scratch / "run");
  EXPECT_EQ(thrown_by([&] { pipeline::run_pipeline(run); }).code, Exit::missing);
  EXPECT_FALSE(fs::exists(scratch / "run/checkpoints"));
}

TEST(Stages, parts_of_the_samples_are_put_together) {
  const ScratchFolder scratch;
  const config::Config config = tiny_points();
  {
    auto run = opened(config, scratch / "whole");
    pipeline::sample_stage(run, pipeline::train_stage(run));
  }
  {
    auto run = opened(config, scratch / "parts");
    pipeline::judge_energy(run, pipeline::train_stage(run));
  }
  for (const int64_t part : {1, 0}) {
    auto run = pipeline::open_run(config, {.command = "sample", .out = scratch / "parts", .shard = {part, 2}}, world());
    pipeline::sample_stage(run, pipeline::load_target(run, ""));
    EXPECT_FALSE(fs::exists(run.samples_of("ddls") / "samples.npz"));
  }
  auto run = opened(config, scratch / "parts");
  pipeline::sample_stage(run, pipeline::load_target(run, ""));
  EXPECT_TRUE(at::equal(samples_of(scratch / "parts", "ddls"), samples_of(scratch / "whole", "ddls")));
}

at::Tensor some_latents() { return at::linspace(-2, 2, 16).view({8, 2}).contiguous(); }

TEST(ApplyCalibration, a_scale_multiplies_the_log_ratio) {
  const ScratchFolder scratch;
  config::Config config = tiny_points();
  auto plain = opened(config, scratch / "run");
  const pipeline::TrainedTarget raw = pipeline::train_stage(plain);
  config.train.calibration.method = "scale";
  config.train.calibration.scale = 0.5;
  auto run = opened(config, scratch / "run");
  const pipeline::TrainedTarget scaled = pipeline::train_stage(run);
  const at::Tensor z = some_latents();
  EXPECT_TRUE(at::allclose(scaled.target.log_ratio(z), raw.target.log_ratio(z) * 0.5, 1e-6, 1e-7));
  EXPECT_TRUE(
      at::allclose(scaled.target.evaluate(z).grad_log_ratio, raw.target.evaluate(z).grad_log_ratio * 0.5, 1e-6, 1e-7));
  EXPECT_NE(scaled.digest, raw.digest);  // samples of the one are not taken for those of the other
  EXPECT_EQ(read_json_object(scratch / "run/calibration.json")["scale"], 0.5);
}

TEST(ApplyCalibration, a_tilt_joins_the_networks_that_it_was_fitted_to) {
  const ScratchFolder scratch;
  config::Config config = tiny_points();
  config.train.calibration.method = "tilt";
  config.train.calibration.held_out = 200;
  config.train.calibration.pool = 2000;
  config.train.calibration.components = 4;
  auto run = opened(config, scratch / "run");
  const pipeline::TrainedTarget tilted = pipeline::train_stage(run);
  EXPECT_EQ(read_json_object(scratch / "run/calibration.json")["method"], "tilt");
  EXPECT_EQ(pipeline::load_target(run, "").digest, tilted.digest);

  // The same networks without it: another law. With it: the one that training gave.
  config.train.calibration.method = "none";
  auto plain = opened(config, scratch / "run");
  const std::string networks = (scratch / "run/checkpoints/ratio-00000004").string();
  pipeline::TrainedTarget raw = pipeline::load_target(plain, networks);
  const at::Tensor z = some_latents();
  const at::Tensor gain = tilted.target.log_ratio(z) - raw.target.log_ratio(z);
  EXPECT_GT(gain.std().item<double>(), 1e-3);
  const Thrown thrown = thrown_by([&] { pipeline::load_target(run, networks); });
  EXPECT_EQ(thrown.code, Exit::config);
  EXPECT_TRUE(contains(thrown.message, "train.calibration.method is 'tilt'")) << thrown.message;

  pipeline::apply_calibration(
      run, raw, train::calibration_of(train::read_checkpoint(scratch / "run/checkpoints/calibrated-00000000")));
  EXPECT_TRUE(at::equal(raw.target.log_ratio(z), tilted.target.log_ratio(z)));
  EXPECT_EQ(raw.digest, tilted.digest);
}

}  // namespace
}  // namespace ddls::test::stages_test

#include "pipeline/energy_stage.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "ddls/registry.hpp"
#include "device/device_of.hpp"
#include "dist/failure.hpp"
#include "tensor/npz.hpp"
#include "tensor/tf32.hpp"
#include "train/energy_ratios.hpp"

namespace ddls::pipeline {
namespace {

constexpr int64_t draws_per_sample = 20;  // a small run need not wait for 50 000 draws

bool uses_energy(const config::SampleConfig& sample) {
  return std::any_of(sample.methods.begin(), sample.methods.end(), [](const std::string& name) {
    const sampling::Sampler* sampler = sampling::find_sampler(name);
    return sampler != nullptr && sampler->uses_ratio;
  });
}

// All that decides what is found.
std::string key_of(const Run& run, const TrainedTarget& trained, const train::JudgingReals& reals) {
  const config::Config& c = run.config;
  Json key{{"weights", hex64(trained.digest)},
           {"seed", c.seed},
           {"draws", energy_draws(c)},
           {"device", device::kind_of(run.comm.topology().device)}};
  add_draw_conditions(key, run);
  if (c.train.ratio.noise_reals) key["noise_reals"] = true;
  if (reals.is_there()) key["reals"] = {hex64(reals.data->digest()), reals.first, reals.count, reals.as_trained};
  if (reals.is_there() && reals.as_trained) key["augment"] = {c.data.flip, c.data.dequantise};
  return json_text(key);
}

struct Files {
  fs::path json, npz;
  explicit Files(const fs::path& folder, const std::string& name)
      : json(folder / "energies" / (name + ".json")), npz(folder / "energies" / (name + ".npz")) {}
};

// {key, weights, energy, files} of an earlier start; nothing where it is not there or damaged.
std::optional<Json> read_kept(const Files& files) {
  if (!fs::exists(files.json) || !fs::exists(files.npz)) return std::nullopt;
  const Json kept = Json::parse(read_file(files.json), nullptr, /*allow_exceptions=*/false);
  if (!kept.is_object() || !kept.contains("key") || !kept.contains("energy") || !kept["energy"].is_object() ||
      !kept.contains("weights") || !kept["weights"].is_string() || !kept.contains("log_ratios_sha256"))
    return std::nullopt;
  if (kept["log_ratios_sha256"] != sha256_of_file(files.npz)) return std::nullopt;
  return kept;
}

Json without_nats(const std::string& why) { return {{"nats", nullptr}, {"nats_why", why}}; }

Json nats_of(const sampling::LogRatios& real, const sampling::LogRatios& pool, uint64_t seed) {
  const int64_t lost = real.values.numel() - at::isfinite(real.values).sum().item<int64_t>();
  if (lost > 0) return without_nats(fmt::format("the log-ratio of {} reals is not finite", lost));
  const sampling::Interval nats = sampling::nats_gained(real, pool, seed);
  const sampling::BestScale best = sampling::best_scale(real, pool);
  return {{"nats", nats.mean},
          {"nats_low", nats.low},
          {"nats_high", nats.high},
          {"best_scale", {{"scale", best.scale}, {"nats", best.nats}}}};
}

// On rank 0.
Json record_of(const sampling::LogRatios& real, sampling::LogRatios pool, const train::JudgingReals& reals,
               uint64_t seed) {
  const int64_t draws = pool.values.numel(), finite = at::isfinite(pool.values).sum().item<int64_t>();
  // As a chain that leaves the finite numbers: no sample comes of it.
  pool.values = at::where(at::isfinite(pool.values), pool.values, at::full_like(pool.values, -INFINITY));
  if (finite == 0) {
    Json record = without_nats(fmt::format("the log-ratio of none of {} prior draws is finite", draws));
    record["draws"] = draws;
    return record;
  }
  Json record = reals.is_there()
                    ? nats_of(real, pool, seed)
                    : without_nats("there are no reals to compare with: name some with data.kind and data.train");
  if (reals.is_there())
    record["reals"] = {{"name", reals.data->name}, {"count", reals.count}, {"seen_in_training", reals.seen}};
  const sampling::PoolWorth worth = sampling::pool_worth(pool);
  record["draws"] = draws;
  if (finite < draws) record["not_finite"] = draws - finite;
  record["log_z"] = worth.log_z;
  record["ess"] = worth.ess;
  record["ess_fraction"] = worth.ess_fraction;
  record["largest_share"] = worth.largest_share;
  record["few_draws"] = worth.few_draws();
  return record;
}

// **Collective.** Measures; returns the text of what is kept. Writes it where the run writes at all.
std::string measure(Run& run, const TrainedTarget& trained, const train::JudgingReals& reals, const Files& files,
                    const std::string& key) {
  const MeasuredEnergy measured = measure_energy(run.config, trained.target, reals, run.comm);
  return run.comm.on_root([&] {
    Json kept{{"schema", 1}, {"key", key}, {"weights", hex64(trained.digest)}, {"energy", measured.record}};
    if (!run.writes()) return json_text(kept);
    make_folder(files.json.parent_path());
    std::error_code ignored;
    fs::remove(files.json, ignored);  // it speaks of the arrays
    tensor::write_npz(files.npz, measured.arrays);
    kept["log_ratios_sha256"] = sha256_of_file(files.npz);
    write_file(files.json, json_text(kept, 2) + "\n");
    return json_text(kept);
  });
}

bool harms(const Json& record) { return record.contains("nats_high") && record["nats_high"].get<double>() < 0; }

std::string nats_text(const Json& record) {
  return fmt::format("{:+.3g} nats ({:.3g} to {:.3g})", record["nats"].get<double>(), record["nats_low"].get<double>(),
                     record["nats_high"].get<double>());
}

// The text that says what to do about an energy that harms.
std::string cure(const config::CalibrationConfig& calibration, const Json& record) {
  const auto scale = record["best_scale"]["scale"].get<double>(), nats = record["best_scale"]["nats"].get<double>();
  const std::string others =
      "fit it on held-out reals (train.calibration.method: temperature, tilt, platt, isotonic or head), or train it on "
      "more data";
  if (nats < 1e-3) return "no multiple of it gains anything; " + others;
  if (calibration.fitted()) return fmt::format("{:.3g} times it would gain {:.3g} nats; {}", scale, nats, others);
  return fmt::format(
      "a temperature: train.calibration.method=scale with train.calibration.scale={:.4g} gains {:.3g} nats; {}",
      scale * (calibration.method == "scale" ? calibration.scale : 1), nats, others);
}

void tell(const Run& run, const JudgedEnergy& energy) {
  if (!run.comm.root()) return;
  const Json& r = energy.record;
  if (!r.contains("ess")) {
    log::warning("energy {}: {}", energy.name, r["nats_why"].get<std::string>());
    return;
  }
  const std::string pool =
      fmt::format("ESS {:.3g} % of {} prior draws, log Z {:.4g}", 100 * r["ess_fraction"].get<double>(),
                  r["draws"].get<int64_t>(), r["log_z"].get<double>());
  if (r["nats"].is_number())
    log::info("energy {}: {} on {} reals ({}{}), {}", energy.name, nats_text(r), r["reals"]["count"].get<int64_t>(),
              r["reals"]["name"].get<std::string>(),
              r["reals"]["seen_in_training"].get<bool>() ? ", which training saw: the nats are too high" : "", pool);
  else
    log::info("energy {}: {}; {}", energy.name, pool, r["nats_why"].get<std::string>());
  if (r["few_draws"].get<bool>())
    log::warning(
        "energy {}: the mean of e^r is carried by few prior draws ({:.3g} effective ones, {:.3g} % of it by one): log "
        "Z may be too low and the nats too high",
        energy.name, r["ess"].get<double>(), 100 * r["largest_share"].get<double>());
  if (harms(r))
    log::warning("energy {}: {}: its law p0 e^r is farther from the data than the generator; {}", energy.name,
                 nats_text(r), cure(run.config.train.calibration, r));
}

}  // namespace

int64_t energy_draws(const config::Config& config) {
  return std::min(config.evaluate.energy_draws, draws_per_sample * config.sample.count);
}

std::string energy_name(const config::TrainConfig& train) {
  if (train.calibration.method != "none") return train.calibration.method;
  return train.ratio.refine.steps > 0 ? "refined" : train.ratio.steps > 0 ? "ratio" : "discriminator";
}

MeasuredEnergy measure_energy(const config::Config& config, const sampling::Target& target,
                              const train::JudgingReals& reals, dist::Communicator& comm) {
  const sampling::LogRatios pool = train::prior_log_ratios(target, energy_draws(config), config.seed, comm);
  const sampling::LogRatios real =
      reals.is_there() ? train::real_log_ratios(target, reals, config, comm) : sampling::LogRatios{};
  MeasuredEnergy measured;
  comm.on_root([&] {
    measured.arrays["log_ratio"] = pool.values;
    if (pool.groups.defined()) measured.arrays["labels"] = pool.groups;
    if (real.values.defined()) measured.arrays["real_log_ratio"] = real.values;
    if (real.groups.defined()) measured.arrays["real_labels"] = real.groups;
    measured.record = record_of(real, pool, reals, config.seed);
  });
  return measured;
}

std::optional<JudgedEnergy> judge_energy(Run& run, const TrainedTarget& trained) {
  if (energy_draws(run.config) == 0 || !uses_energy(run.config.sample)) return std::nullopt;
  const Stopwatch watch;
  const tensor::Tf32 tf32(run.config.sample.precision == "tf32");
  const train::JudgingReals reals =
      train::judging_reals(run.config, run.held_out, run.test, run.seen, energy_draws(run.config));
  JudgedEnergy energy{energy_name(run.config.train), {}, hex64(trained.digest)};
  const Files files(run.folder, energy.name);
  const std::string key = run.comm.together([&] { return key_of(run, trained, reals); });
  std::string text = run.comm.on_root([&] {
    const std::optional<Json> kept = run.resume == train::Resume::never ? std::nullopt : read_kept(files);
    if (kept && (*kept)["key"] == key) return json_text(*kept);
    run.log.work_begins();
    return std::string();
  });
  if (text.empty()) {
    text = measure(run, trained, reals, files, key);
    if (run.writes()) note_seconds(run, "energy", watch.seconds());
  }
  energy.record = Json::parse(text)["energy"];
  tell(run, energy);
  return energy;
}

void refuse_bad_energy(const Run& run, const std::optional<JudgedEnergy>& energy) {
  if (!energy || !harms(energy->record) || run.config.sample.allow_bad_energy) return;
  std::vector<std::string> exact;
  for (const std::string& name : run.config.sample.methods)
    if (sampling::find_sampler(name)->uses_ratio &&
        sampling::find_sampler(name)->exact(run.config.sample.options_of(name)))
      exact.push_back(name);
  if (exact.empty()) return;
  dist::all_fail(
      Exit::config,
      "sample.methods: {} would sample p0 e^r of the energy '{}', which is worth {}: that law is farther from the data "
      "than the generator alone. Cure: {}. sample.allow_bad_energy=true samples it all the same",
      fmt::join(exact, ", "), energy->name, nats_text(energy->record),
      cure(run.config.train.calibration, energy->record));
}

std::optional<KeptEnergy> kept_energy(Run& run) {
  if (energy_draws(run.config) == 0 || !uses_energy(run.config.sample)) return std::nullopt;
  const std::string name = energy_name(run.config.train);
  const Files files(run.folder, name);
  return run.comm.together([&]() -> std::optional<KeptEnergy> {
    const std::optional<Json> kept = read_kept(files);
    if (!kept) return std::nullopt;
    tensor::NamedTensors arrays = tensor::read_npz(files.npz);
    KeptEnergy energy{{name, (*kept)["energy"], (*kept)["weights"]}, arrays.at("log_ratio"), {}};
    if (arrays.contains("labels")) energy.labels = arrays.at("labels");
    return energy;
  });
}

}  // namespace ddls::pipeline

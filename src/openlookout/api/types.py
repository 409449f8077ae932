"""The shapes of the API: a TypedDict for each structure, a Literal for each enumeration.

Generated from definition.json by scripts/generate_api.py: change that, not this.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from msgspec import Struct

from openlookout.api.instants import Seconds

# Whether a retrained version became the active one, or what kept it from being trained.
AutoPromotionResult = Literal[
    "MODEL_PROMOTED",
    "MODEL_NOT_PROMOTED",
    "RETRAINING_INTERNAL_ERROR",
    "RETRAINING_CUSTOMER_ERROR",
    "RETRAINING_CANCELLED",
]
# How often a scheduler runs; counted from the full hour.
DataUploadFrequency = Literal["PT5M", "PT10M", "PT15M", "PT30M", "PT1H"]
# CREATED is empty, ACTIVE holds data; the others mean that data are on their way.
DatasetStatus = Literal["CREATED", "INGESTION_IN_PROGRESS", "ACTIVE", "IMPORT_IN_PROGRESS"]
# Gathered readings of the source are left behind, taken if the target has none, or replace the target's.
InferenceDataImportStrategy = Literal["NO_IMPORT", "ADD_WHEN_EMPTY", "OVERWRITE"]
# The state of one run of a scheduler; a FAILED run does not stop the scheduler.
InferenceExecutionStatus = Literal["IN_PROGRESS", "SUCCESS", "FAILED"]
# PENDING becomes RUNNING, STOPPING becomes STOPPED, each by itself.
InferenceSchedulerStatus = Literal["PENDING", "RUNNING", "STOPPING", "STOPPED"]
# The state of an ingestion or of an import; SUCCESS and FAILED are final.
IngestionJobStatus = Literal["IN_PROGRESS", "SUCCESS", "FAILED", "IMPORT_IN_PROGRESS"]
# ANOMALY was a fault, NO_ANOMALY was normal, NEUTRAL counts as neither.
LabelRating = Literal["ANOMALY", "NO_ANOMALY", "NEUTRAL"]
# Whether the last successful run found an anomaly.
LatestInferenceResult = Literal["ANOMALOUS", "NORMAL"]
# MANAGED activates a retrained version by itself when it is the better one, MANUAL leaves it to the caller.
ModelPromoteMode = Literal["MANAGED", "MANUAL"]
# How a version did on its labelled events; without labels it cannot be told.
ModelQuality = Literal["QUALITY_THRESHOLD_MET", "CANNOT_DETERMINE_QUALITY", "POOR_QUALITY_DETECTED"]
# The state of the latest training or import; SUCCESS and FAILED are final.
ModelStatus = Literal["IN_PROGRESS", "SUCCESS", "FAILED", "IMPORT_IN_PROGRESS"]
# How a version came to be: first training, retraining or import.
ModelVersionSourceType = Literal["TRAINING", "RETRAINING", "IMPORT"]
# The state of a version; only a SUCCESS version can be active.
ModelVersionStatus = Literal["IN_PROGRESS", "SUCCESS", "FAILED", "IMPORT_IN_PROGRESS", "CANCELED"]
# The direction in which a sensor only ever goes; STATIC hardly moves at all.
Monotonicity = Literal["DECREASING", "INCREASING", "STATIC"]
# PENDING becomes RUNNING, STOPPING becomes STOPPED, each by itself.
RetrainingSchedulerStatus = Literal["PENDING", "RUNNING", "STOPPING", "STOPPED"]
# Whether a look at the values gives cause for concern; none is an error.
StatisticalIssueStatus = Literal["POTENTIAL_ISSUE_DETECTED", "NO_ISSUE_DETECTED"]
# The step of the grid that readings are averaged to before training.
TargetSamplingRate = Literal[
    "PT1S", "PT5S", "PT10S", "PT15S", "PT30S", "PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT1H"
]


class CategoricalValues(TypedDict, total=False):
    """Whether a sensor takes ten values or fewer."""

    Status: StatisticalIssueStatus | None
    NumberOfCategory: int | None


class CountPercent(TypedDict, total=False):
    """How many, and which share of the rows in percent."""

    Count: int | None
    Percentage: float | None


class CreateDatasetRequest(TypedDict):
    """What CreateDataset takes."""

    DatasetName: str
    DatasetSchema: NotRequired[DatasetSchema]
    ServerSideKmsKeyId: NotRequired[str]
    ClientToken: str
    Tags: NotRequired[list[Tag]]


class CreateDatasetResponse(TypedDict, total=False):
    """What CreateDataset answers."""

    DatasetName: str | None
    DatasetArn: str | None
    Status: DatasetStatus | None


class CreateInferenceSchedulerRequest(TypedDict):
    """What CreateInferenceScheduler takes."""

    ModelName: str
    InferenceSchedulerName: str
    DataDelayOffsetInMinutes: NotRequired[int]
    DataUploadFrequency: DataUploadFrequency
    DataInputConfiguration: InferenceInputConfiguration
    DataOutputConfiguration: InferenceOutputConfiguration
    RoleArn: str
    ServerSideKmsKeyId: NotRequired[str]
    ClientToken: str
    Tags: NotRequired[list[Tag]]


class CreateInferenceSchedulerResponse(TypedDict, total=False):
    """What CreateInferenceScheduler answers."""

    InferenceSchedulerArn: str | None
    InferenceSchedulerName: str | None
    Status: InferenceSchedulerStatus | None
    ModelQuality: ModelQuality | None


class CreateLabelGroupRequest(TypedDict):
    """What CreateLabelGroup takes."""

    LabelGroupName: str
    FaultCodes: NotRequired[list[str]]
    ClientToken: str
    Tags: NotRequired[list[Tag]]


class CreateLabelGroupResponse(TypedDict, total=False):
    """What CreateLabelGroup answers."""

    LabelGroupName: str | None
    LabelGroupArn: str | None


class CreateLabelRequest(TypedDict):
    """What CreateLabel takes."""

    LabelGroupName: str
    StartTime: datetime
    EndTime: datetime
    Rating: LabelRating
    FaultCode: NotRequired[str]
    Notes: NotRequired[str]
    Equipment: NotRequired[str]
    ClientToken: str


class CreateLabelResponse(TypedDict, total=False):
    """What CreateLabel answers."""

    LabelId: str | None


class CreateModelRequest(TypedDict):
    """What CreateModel takes."""

    ModelName: str
    DatasetName: str
    DatasetSchema: NotRequired[DatasetSchema]
    LabelsInputConfiguration: NotRequired[LabelsInputConfiguration]
    ClientToken: str
    TrainingDataStartTime: NotRequired[datetime]
    TrainingDataEndTime: NotRequired[datetime]
    EvaluationDataStartTime: NotRequired[datetime]
    EvaluationDataEndTime: NotRequired[datetime]
    RoleArn: NotRequired[str]
    DataPreProcessingConfiguration: NotRequired[DataPreProcessingConfiguration]
    ServerSideKmsKeyId: NotRequired[str]
    Tags: NotRequired[list[Tag]]
    OffCondition: NotRequired[str]
    ModelDiagnosticsOutputConfiguration: NotRequired[ModelDiagnosticsOutputConfiguration]


class CreateModelResponse(TypedDict, total=False):
    """What CreateModel answers."""

    ModelArn: str | None
    Status: ModelStatus | None


class CreateRetrainingSchedulerRequest(TypedDict):
    """What CreateRetrainingScheduler takes."""

    ModelName: str
    RetrainingStartDate: NotRequired[datetime]
    RetrainingFrequency: str
    LookbackWindow: str
    PromoteMode: NotRequired[ModelPromoteMode]
    ClientToken: str


class CreateRetrainingSchedulerResponse(TypedDict, total=False):
    """What CreateRetrainingScheduler answers."""

    ModelName: str | None
    ModelArn: str | None
    Status: RetrainingSchedulerStatus | None


class DataIngestionJobSummary(TypedDict, total=False):
    """One ingestion job in a list."""

    JobId: str | None
    DatasetName: str | None
    DatasetArn: str | None
    IngestionInputConfiguration: IngestionInputConfiguration | None
    Status: IngestionJobStatus | None


class DataPreProcessingConfiguration(TypedDict):
    """How readings are resampled before anything is learned."""

    TargetSamplingRate: NotRequired[TargetSamplingRate]


class DataQualitySummary(TypedDict, total=False):
    """What was found wrong with the data of one ingestion, over all sensors."""

    InsufficientSensorData: InsufficientSensorData | None
    MissingSensorData: MissingSensorData | None
    InvalidSensorData: InvalidSensorData | None
    UnsupportedTimestamps: UnsupportedTimestamps | None
    DuplicateTimestamps: DuplicateTimestamps | None


class DatasetSchema(TypedDict):
    """The components and sensors of a dataset, as JSON text."""

    InlineDataSchema: NotRequired[str]


class DatasetSummary(TypedDict, total=False):
    """One dataset in a list."""

    DatasetName: str | None
    DatasetArn: str | None
    Status: DatasetStatus | None
    CreatedAt: datetime | None


class DeleteDatasetRequest(TypedDict):
    """What DeleteDataset takes."""

    DatasetName: str


class DeleteInferenceSchedulerRequest(TypedDict):
    """What DeleteInferenceScheduler takes."""

    InferenceSchedulerName: str


class DeleteLabelGroupRequest(TypedDict):
    """What DeleteLabelGroup takes."""

    LabelGroupName: str


class DeleteLabelRequest(TypedDict):
    """What DeleteLabel takes."""

    LabelGroupName: str
    LabelId: str


class DeleteModelRequest(TypedDict):
    """What DeleteModel takes."""

    ModelName: str


class DeleteResourcePolicyRequest(TypedDict):
    """What DeleteResourcePolicy takes."""

    ResourceArn: str


class DeleteRetrainingSchedulerRequest(TypedDict):
    """What DeleteRetrainingScheduler takes."""

    ModelName: str


class DescribeDataIngestionJobRequest(TypedDict):
    """What DescribeDataIngestionJob takes."""

    JobId: str


class DescribeDataIngestionJobResponse(TypedDict, total=False):
    """What DescribeDataIngestionJob answers."""

    JobId: str | None
    DatasetArn: str | None
    IngestionInputConfiguration: IngestionInputConfiguration | None
    RoleArn: str | None
    CreatedAt: datetime | None
    Status: IngestionJobStatus | None
    FailedReason: str | None
    DataQualitySummary: DataQualitySummary | None
    IngestedFilesSummary: IngestedFilesSummary | None
    StatusDetail: str | None
    IngestedDataSize: int | None
    DataStartTime: datetime | None
    DataEndTime: datetime | None
    SourceDatasetArn: str | None


class DescribeDatasetRequest(TypedDict):
    """What DescribeDataset takes."""

    DatasetName: str


class DescribeDatasetResponse(TypedDict, total=False):
    """What DescribeDataset answers."""

    DatasetName: str | None
    DatasetArn: str | None
    CreatedAt: datetime | None
    LastUpdatedAt: datetime | None
    Status: DatasetStatus | None
    Schema: str | None
    ServerSideKmsKeyId: str | None
    IngestionInputConfiguration: IngestionInputConfiguration | None
    DataQualitySummary: DataQualitySummary | None
    IngestedFilesSummary: IngestedFilesSummary | None
    RoleArn: str | None
    DataStartTime: datetime | None
    DataEndTime: datetime | None
    SourceDatasetArn: str | None


class DescribeInferenceSchedulerRequest(TypedDict):
    """What DescribeInferenceScheduler takes."""

    InferenceSchedulerName: str


class DescribeInferenceSchedulerResponse(TypedDict, total=False):
    """What DescribeInferenceScheduler answers."""

    ModelArn: str | None
    ModelName: str | None
    InferenceSchedulerName: str | None
    InferenceSchedulerArn: str | None
    Status: InferenceSchedulerStatus | None
    DataDelayOffsetInMinutes: int | None
    DataUploadFrequency: DataUploadFrequency | None
    CreatedAt: datetime | None
    UpdatedAt: datetime | None
    DataInputConfiguration: InferenceInputConfiguration | None
    DataOutputConfiguration: InferenceOutputConfiguration | None
    RoleArn: str | None
    ServerSideKmsKeyId: str | None
    LatestInferenceResult: LatestInferenceResult | None


class DescribeLabelGroupRequest(TypedDict):
    """What DescribeLabelGroup takes."""

    LabelGroupName: str


class DescribeLabelGroupResponse(TypedDict, total=False):
    """What DescribeLabelGroup answers."""

    LabelGroupName: str | None
    LabelGroupArn: str | None
    FaultCodes: list[str] | None
    CreatedAt: datetime | None
    UpdatedAt: datetime | None


class DescribeLabelRequest(TypedDict):
    """What DescribeLabel takes."""

    LabelGroupName: str
    LabelId: str


class DescribeLabelResponse(TypedDict, total=False):
    """What DescribeLabel answers."""

    LabelGroupName: str | None
    LabelGroupArn: str | None
    LabelId: str | None
    StartTime: datetime | None
    EndTime: datetime | None
    Rating: LabelRating | None
    FaultCode: str | None
    Notes: str | None
    Equipment: str | None
    CreatedAt: datetime | None


class DescribeModelRequest(TypedDict):
    """What DescribeModel takes."""

    ModelName: str


class DescribeModelResponse(TypedDict, total=False):
    """What DescribeModel answers."""

    ModelName: str | None
    ModelArn: str | None
    DatasetName: str | None
    DatasetArn: str | None
    Schema: str | None
    LabelsInputConfiguration: LabelsInputConfiguration | None
    TrainingDataStartTime: datetime | None
    TrainingDataEndTime: datetime | None
    EvaluationDataStartTime: datetime | None
    EvaluationDataEndTime: datetime | None
    RoleArn: str | None
    DataPreProcessingConfiguration: DataPreProcessingConfiguration | None
    Status: ModelStatus | None
    TrainingExecutionStartTime: datetime | None
    TrainingExecutionEndTime: datetime | None
    FailedReason: str | None
    ModelMetrics: str | None
    LastUpdatedTime: datetime | None
    CreatedAt: datetime | None
    ServerSideKmsKeyId: str | None
    OffCondition: str | None
    SourceModelVersionArn: str | None
    ImportJobStartTime: datetime | None
    ImportJobEndTime: datetime | None
    ActiveModelVersion: int | None
    ActiveModelVersionArn: str | None
    ModelVersionActivatedAt: datetime | None
    PreviousActiveModelVersion: int | None
    PreviousActiveModelVersionArn: str | None
    PreviousModelVersionActivatedAt: datetime | None
    PriorModelMetrics: str | None
    LatestScheduledRetrainingFailedReason: str | None
    LatestScheduledRetrainingStatus: ModelVersionStatus | None
    LatestScheduledRetrainingModelVersion: int | None
    LatestScheduledRetrainingStartTime: datetime | None
    LatestScheduledRetrainingAvailableDataInDays: int | None
    NextScheduledRetrainingStartDate: datetime | None
    AccumulatedInferenceDataStartTime: datetime | None
    AccumulatedInferenceDataEndTime: datetime | None
    RetrainingSchedulerStatus: RetrainingSchedulerStatus | None
    ModelDiagnosticsOutputConfiguration: ModelDiagnosticsOutputConfiguration | None
    ModelQuality: ModelQuality | None


class DescribeModelVersionRequest(TypedDict):
    """What DescribeModelVersion takes."""

    ModelName: str
    ModelVersion: int


class DescribeModelVersionResponse(TypedDict, total=False):
    """What DescribeModelVersion answers."""

    ModelName: str | None
    ModelArn: str | None
    ModelVersion: int | None
    ModelVersionArn: str | None
    Status: ModelVersionStatus | None
    SourceType: ModelVersionSourceType | None
    DatasetName: str | None
    DatasetArn: str | None
    Schema: str | None
    LabelsInputConfiguration: LabelsInputConfiguration | None
    TrainingDataStartTime: datetime | None
    TrainingDataEndTime: datetime | None
    EvaluationDataStartTime: datetime | None
    EvaluationDataEndTime: datetime | None
    RoleArn: str | None
    DataPreProcessingConfiguration: DataPreProcessingConfiguration | None
    TrainingExecutionStartTime: datetime | None
    TrainingExecutionEndTime: datetime | None
    FailedReason: str | None
    ModelMetrics: str | None
    LastUpdatedTime: datetime | None
    CreatedAt: datetime | None
    ServerSideKmsKeyId: str | None
    OffCondition: str | None
    SourceModelVersionArn: str | None
    ImportJobStartTime: datetime | None
    ImportJobEndTime: datetime | None
    ImportedDataSizeInBytes: int | None
    PriorModelMetrics: str | None
    RetrainingAvailableDataInDays: int | None
    AutoPromotionResult: AutoPromotionResult | None
    AutoPromotionResultReason: str | None
    ModelDiagnosticsOutputConfiguration: ModelDiagnosticsOutputConfiguration | None
    ModelDiagnosticsResultsObject: S3Object | None
    ModelQuality: ModelQuality | None


class DescribeResourcePolicyRequest(TypedDict):
    """What DescribeResourcePolicy takes."""

    ResourceArn: str


class DescribeResourcePolicyResponse(TypedDict, total=False):
    """What DescribeResourcePolicy answers."""

    PolicyRevisionId: str | None
    ResourcePolicy: str | None
    CreationTime: datetime | None
    LastModifiedTime: datetime | None


class DescribeRetrainingSchedulerRequest(TypedDict):
    """What DescribeRetrainingScheduler takes."""

    ModelName: str


class DescribeRetrainingSchedulerResponse(TypedDict, total=False):
    """What DescribeRetrainingScheduler answers."""

    ModelName: str | None
    ModelArn: str | None
    RetrainingStartDate: datetime | None
    RetrainingFrequency: str | None
    LookbackWindow: str | None
    Status: RetrainingSchedulerStatus | None
    PromoteMode: ModelPromoteMode | None
    CreatedAt: datetime | None
    UpdatedAt: datetime | None


class DuplicateTimestamps(TypedDict, total=False):
    """How many rows repeat the time of another."""

    TotalNumberOfDuplicateTimestamps: int | None


class ImportDatasetRequest(TypedDict):
    """What ImportDataset takes."""

    SourceDatasetArn: str
    DatasetName: NotRequired[str]
    ClientToken: str
    ServerSideKmsKeyId: NotRequired[str]
    Tags: NotRequired[list[Tag]]


class ImportDatasetResponse(TypedDict, total=False):
    """What ImportDataset answers."""

    DatasetName: str | None
    DatasetArn: str | None
    Status: DatasetStatus | None
    JobId: str | None


class ImportModelVersionRequest(TypedDict):
    """What ImportModelVersion takes."""

    SourceModelVersionArn: str
    ModelName: NotRequired[str]
    DatasetName: str
    LabelsInputConfiguration: NotRequired[LabelsInputConfiguration]
    ClientToken: str
    RoleArn: NotRequired[str]
    ServerSideKmsKeyId: NotRequired[str]
    Tags: NotRequired[list[Tag]]
    InferenceDataImportStrategy: NotRequired[InferenceDataImportStrategy]


class ImportModelVersionResponse(TypedDict, total=False):
    """What ImportModelVersion answers."""

    ModelName: str | None
    ModelArn: str | None
    ModelVersionArn: str | None
    ModelVersion: int | None
    Status: ModelVersionStatus | None


class InferenceEventSummary(TypedDict, total=False):
    """A stretch of time in which the machine was anomalous."""

    InferenceSchedulerArn: str | None
    InferenceSchedulerName: str | None
    EventStartTime: datetime | None
    EventEndTime: datetime | None
    Diagnostics: str | None
    EventDurationInSeconds: int | None


class InferenceExecutionSummary(TypedDict, total=False):
    """One run of an inference scheduler."""

    ModelName: str | None
    ModelArn: str | None
    InferenceSchedulerName: str | None
    InferenceSchedulerArn: str | None
    ScheduledStartTime: datetime | None
    DataStartTime: datetime | None
    DataEndTime: datetime | None
    DataInputConfiguration: InferenceInputConfiguration | None
    DataOutputConfiguration: InferenceOutputConfiguration | None
    CustomerResultObject: S3Object | None
    Status: InferenceExecutionStatus | None
    FailedReason: str | None
    ModelVersion: int | None
    ModelVersionArn: str | None


class InferenceInputConfiguration(TypedDict):
    """Where a scheduler finds new data, and how the files are named."""

    S3InputConfiguration: NotRequired[InferenceS3InputConfiguration]
    InputTimeZoneOffset: NotRequired[str]
    InferenceInputNameConfiguration: NotRequired[InferenceInputNameConfiguration]


class InferenceInputNameConfiguration(TypedDict):
    """How component and time stand in the name of an input file."""

    TimestampFormat: NotRequired[str]
    ComponentTimestampDelimiter: NotRequired[str]


class InferenceOutputConfiguration(TypedDict):
    """Where a scheduler writes its results."""

    S3OutputConfiguration: InferenceS3OutputConfiguration
    KmsKeyId: NotRequired[str]


class InferenceS3InputConfiguration(TypedDict):
    """Bucket and prefix of the input files."""

    Bucket: str
    Prefix: NotRequired[str]


class InferenceS3OutputConfiguration(TypedDict):
    """Bucket and prefix of the results."""

    Bucket: str
    Prefix: NotRequired[str]


class InferenceSchedulerSummary(TypedDict, total=False):
    """One inference scheduler in a list."""

    ModelName: str | None
    ModelArn: str | None
    InferenceSchedulerName: str | None
    InferenceSchedulerArn: str | None
    Status: InferenceSchedulerStatus | None
    DataDelayOffsetInMinutes: int | None
    DataUploadFrequency: DataUploadFrequency | None
    LatestInferenceResult: LatestInferenceResult | None


class IngestedFilesSummary(TypedDict, total=False):
    """How many files were found and read, and which were not."""

    TotalNumberOfFiles: int | None
    IngestedNumberOfFiles: int | None
    DiscardedFiles: list[S3Object] | None


class IngestionInputConfiguration(TypedDict):
    """Where the files of an ingestion are."""

    S3InputConfiguration: IngestionS3InputConfiguration


class IngestionS3InputConfiguration(TypedDict):
    """Bucket, prefix and key pattern of the files."""

    Bucket: str
    Prefix: NotRequired[str]
    KeyPattern: NotRequired[str]


class InsufficientSensorData(TypedDict, total=False):
    """Sensors with too little data or none."""

    MissingCompleteSensorData: MissingCompleteSensorData | None
    SensorsWithShortDateRange: SensorsWithShortDateRange | None


class InvalidSensorData(TypedDict, total=False):
    """Readings that are no numbers."""

    AffectedSensorCount: int | None
    TotalNumberOfInvalidValues: int | None


class LabelGroupSummary(TypedDict, total=False):
    """One label group in a list."""

    LabelGroupName: str | None
    LabelGroupArn: str | None
    CreatedAt: datetime | None
    UpdatedAt: datetime | None


class LabelSummary(TypedDict, total=False):
    """One label in a list."""

    LabelGroupName: str | None
    LabelId: str | None
    LabelGroupArn: str | None
    StartTime: datetime | None
    EndTime: datetime | None
    Rating: LabelRating | None
    FaultCode: str | None
    Equipment: str | None
    CreatedAt: datetime | None


class LabelsInputConfiguration(TypedDict):
    """Where the labels of a training come from: files or a label group."""

    S3InputConfiguration: NotRequired[LabelsS3InputConfiguration]
    LabelGroupName: NotRequired[str]


class LabelsS3InputConfiguration(TypedDict):
    """Bucket and prefix of label files."""

    Bucket: str
    Prefix: NotRequired[str]


class LargeTimestampGaps(TypedDict, total=False):
    """Whether more than thirty days lie between two readings."""

    Status: StatisticalIssueStatus | None
    NumberOfLargeTimestampGaps: int | None
    MaxTimestampGapInDays: int | None


class ListDataIngestionJobsRequest(TypedDict):
    """What ListDataIngestionJobs takes."""

    DatasetName: NotRequired[str]
    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]
    Status: NotRequired[IngestionJobStatus]


class ListDataIngestionJobsResponse(TypedDict, total=False):
    """What ListDataIngestionJobs answers."""

    NextToken: str | None
    DataIngestionJobSummaries: list[DataIngestionJobSummary] | None


class ListDatasetsRequest(TypedDict):
    """What ListDatasets takes."""

    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]
    DatasetNameBeginsWith: NotRequired[str]


class ListDatasetsResponse(TypedDict, total=False):
    """What ListDatasets answers."""

    NextToken: str | None
    DatasetSummaries: list[DatasetSummary] | None


class ListInferenceEventsRequest(TypedDict):
    """What ListInferenceEvents takes."""

    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]
    InferenceSchedulerName: str
    IntervalStartTime: datetime
    IntervalEndTime: datetime


class ListInferenceEventsResponse(TypedDict, total=False):
    """What ListInferenceEvents answers."""

    NextToken: str | None
    InferenceEventSummaries: list[InferenceEventSummary] | None


class ListInferenceExecutionsRequest(TypedDict):
    """What ListInferenceExecutions takes."""

    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]
    InferenceSchedulerName: str
    DataStartTimeAfter: NotRequired[datetime]
    DataEndTimeBefore: NotRequired[datetime]
    Status: NotRequired[InferenceExecutionStatus]


class ListInferenceExecutionsResponse(TypedDict, total=False):
    """What ListInferenceExecutions answers."""

    NextToken: str | None
    InferenceExecutionSummaries: list[InferenceExecutionSummary] | None


class ListInferenceSchedulersRequest(TypedDict):
    """What ListInferenceSchedulers takes."""

    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]
    InferenceSchedulerNameBeginsWith: NotRequired[str]
    ModelName: NotRequired[str]
    Status: NotRequired[InferenceSchedulerStatus]


class ListInferenceSchedulersResponse(TypedDict, total=False):
    """What ListInferenceSchedulers answers."""

    NextToken: str | None
    InferenceSchedulerSummaries: list[InferenceSchedulerSummary] | None


class ListLabelGroupsRequest(TypedDict):
    """What ListLabelGroups takes."""

    LabelGroupNameBeginsWith: NotRequired[str]
    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]


class ListLabelGroupsResponse(TypedDict, total=False):
    """What ListLabelGroups answers."""

    NextToken: str | None
    LabelGroupSummaries: list[LabelGroupSummary] | None


class ListLabelsRequest(TypedDict):
    """What ListLabels takes."""

    LabelGroupName: str
    IntervalStartTime: NotRequired[datetime]
    IntervalEndTime: NotRequired[datetime]
    FaultCode: NotRequired[str]
    Equipment: NotRequired[str]
    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]


class ListLabelsResponse(TypedDict, total=False):
    """What ListLabels answers."""

    NextToken: str | None
    LabelSummaries: list[LabelSummary] | None


class ListModelVersionsRequest(TypedDict):
    """What ListModelVersions takes."""

    ModelName: NotRequired[str]
    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]
    Status: NotRequired[ModelVersionStatus]
    SourceType: NotRequired[ModelVersionSourceType]
    CreatedAtEndTime: NotRequired[datetime]
    CreatedAtStartTime: NotRequired[datetime]
    MaxModelVersion: NotRequired[int]
    MinModelVersion: NotRequired[int]


class ListModelVersionsResponse(TypedDict, total=False):
    """What ListModelVersions answers."""

    NextToken: str | None
    ModelVersionSummaries: list[ModelVersionSummary] | None


class ListModelsRequest(TypedDict):
    """What ListModels takes."""

    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]
    Status: NotRequired[ModelStatus]
    ModelNameBeginsWith: NotRequired[str]
    DatasetNameBeginsWith: NotRequired[str]


class ListModelsResponse(TypedDict, total=False):
    """What ListModels answers."""

    NextToken: str | None
    ModelSummaries: list[ModelSummary] | None


class ListRetrainingSchedulersRequest(TypedDict):
    """What ListRetrainingSchedulers takes."""

    ModelNameBeginsWith: NotRequired[str]
    Status: NotRequired[RetrainingSchedulerStatus]
    NextToken: NotRequired[str]
    MaxResults: NotRequired[int]


class ListRetrainingSchedulersResponse(TypedDict, total=False):
    """What ListRetrainingSchedulers answers."""

    RetrainingSchedulerSummaries: list[RetrainingSchedulerSummary] | None
    NextToken: str | None


class ListSensorStatisticsRequest(TypedDict):
    """What ListSensorStatistics takes."""

    DatasetName: str
    IngestionJobId: NotRequired[str]
    MaxResults: NotRequired[int]
    NextToken: NotRequired[str]


class ListSensorStatisticsResponse(TypedDict, total=False):
    """What ListSensorStatistics answers."""

    SensorStatisticsSummaries: list[SensorStatisticsSummary] | None
    NextToken: str | None


class ListTagsForResourceRequest(TypedDict):
    """What ListTagsForResource takes."""

    ResourceArn: str


class ListTagsForResourceResponse(TypedDict, total=False):
    """What ListTagsForResource answers."""

    Tags: list[Tag] | None


class MissingCompleteSensorData(TypedDict, total=False):
    """Sensors without a single reading."""

    AffectedSensorCount: int | None


class MissingSensorData(TypedDict, total=False):
    """Readings that are missing."""

    AffectedSensorCount: int | None
    TotalNumberOfMissingValues: int | None


class ModelDiagnosticsOutputConfiguration(TypedDict):
    """Where the score of every row is written after training."""

    S3OutputConfiguration: ModelDiagnosticsS3OutputConfiguration
    KmsKeyId: NotRequired[str]


class ModelDiagnosticsS3OutputConfiguration(TypedDict):
    """Bucket and prefix for the score of every row."""

    Bucket: str
    Prefix: NotRequired[str]


class ModelSummary(TypedDict, total=False):
    """One model in a list."""

    ModelName: str | None
    ModelArn: str | None
    DatasetName: str | None
    DatasetArn: str | None
    Status: ModelStatus | None
    CreatedAt: datetime | None
    ActiveModelVersion: int | None
    ActiveModelVersionArn: str | None
    LatestScheduledRetrainingStatus: ModelVersionStatus | None
    LatestScheduledRetrainingModelVersion: int | None
    LatestScheduledRetrainingStartTime: datetime | None
    NextScheduledRetrainingStartDate: datetime | None
    RetrainingSchedulerStatus: RetrainingSchedulerStatus | None
    ModelDiagnosticsOutputConfiguration: ModelDiagnosticsOutputConfiguration | None
    ModelQuality: ModelQuality | None


class ModelVersionSummary(Struct, omit_defaults=True, gc=False):
    """One version of a model in a list."""

    ModelName: str | None = None
    ModelArn: str | None = None
    ModelVersion: int | None = None
    ModelVersionArn: str | None = None
    CreatedAt: Seconds | None = None
    Status: ModelVersionStatus | None = None
    SourceType: ModelVersionSourceType | None = None
    ModelQuality: ModelQuality | None = None


class MonotonicValues(TypedDict, total=False):
    """Whether a sensor only rises, only falls or stands still."""

    Status: StatisticalIssueStatus | None
    Monotonicity: Monotonicity | None


class MultipleOperatingModes(TypedDict, total=False):
    """Whether the readings lie in more than one range."""

    Status: StatisticalIssueStatus | None


class PutResourcePolicyRequest(TypedDict):
    """What PutResourcePolicy takes."""

    ResourceArn: str
    ResourcePolicy: str
    PolicyRevisionId: NotRequired[str]
    ClientToken: str


class PutResourcePolicyResponse(TypedDict, total=False):
    """What PutResourcePolicy answers."""

    ResourceArn: str | None
    PolicyRevisionId: str | None


class RetrainingSchedulerSummary(TypedDict, total=False):
    """One retraining schedule in a list."""

    ModelName: str | None
    ModelArn: str | None
    Status: RetrainingSchedulerStatus | None
    RetrainingStartDate: datetime | None
    RetrainingFrequency: str | None
    LookbackWindow: str | None


class S3Object(TypedDict, total=False):
    """An object in a bucket."""

    Bucket: str | None
    Key: str | None


class SensorStatisticsSummary(TypedDict, total=False):
    """How good the data of one sensor are."""

    ComponentName: str | None
    SensorName: str | None
    DataExists: bool | None
    MissingValues: CountPercent | None
    InvalidValues: CountPercent | None
    InvalidDateEntries: CountPercent | None
    DuplicateTimestamps: CountPercent | None
    CategoricalValues: CategoricalValues | None
    MultipleOperatingModes: MultipleOperatingModes | None
    LargeTimestampGaps: LargeTimestampGaps | None
    MonotonicValues: MonotonicValues | None
    DataStartTime: datetime | None
    DataEndTime: datetime | None


class SensorsWithShortDateRange(TypedDict, total=False):
    """Sensors with fewer than fourteen days of data."""

    AffectedSensorCount: int | None


class StartDataIngestionJobRequest(TypedDict):
    """What StartDataIngestionJob takes."""

    DatasetName: str
    IngestionInputConfiguration: IngestionInputConfiguration
    RoleArn: str
    ClientToken: str


class StartDataIngestionJobResponse(TypedDict, total=False):
    """What StartDataIngestionJob answers."""

    JobId: str | None
    Status: IngestionJobStatus | None


class StartInferenceSchedulerRequest(TypedDict):
    """What StartInferenceScheduler takes."""

    InferenceSchedulerName: str


class StartInferenceSchedulerResponse(TypedDict, total=False):
    """What StartInferenceScheduler answers."""

    ModelArn: str | None
    ModelName: str | None
    InferenceSchedulerName: str | None
    InferenceSchedulerArn: str | None
    Status: InferenceSchedulerStatus | None


class StartRetrainingSchedulerRequest(TypedDict):
    """What StartRetrainingScheduler takes."""

    ModelName: str


class StartRetrainingSchedulerResponse(TypedDict, total=False):
    """What StartRetrainingScheduler answers."""

    ModelName: str | None
    ModelArn: str | None
    Status: RetrainingSchedulerStatus | None


class StopInferenceSchedulerRequest(TypedDict):
    """What StopInferenceScheduler takes."""

    InferenceSchedulerName: str


class StopInferenceSchedulerResponse(TypedDict, total=False):
    """What StopInferenceScheduler answers."""

    ModelArn: str | None
    ModelName: str | None
    InferenceSchedulerName: str | None
    InferenceSchedulerArn: str | None
    Status: InferenceSchedulerStatus | None


class StopRetrainingSchedulerRequest(TypedDict):
    """What StopRetrainingScheduler takes."""

    ModelName: str


class StopRetrainingSchedulerResponse(TypedDict, total=False):
    """What StopRetrainingScheduler answers."""

    ModelName: str | None
    ModelArn: str | None
    Status: RetrainingSchedulerStatus | None


class Tag(TypedDict):
    """A key and a value that a user attaches to a resource."""

    Key: str
    Value: str


class TagResourceRequest(TypedDict):
    """What TagResource takes."""

    ResourceArn: str
    Tags: list[Tag]


class TagResourceResponse(TypedDict, total=False):
    """What TagResource answers."""


class UnsupportedTimestamps(TypedDict, total=False):
    """Rows whose time could not be read."""

    TotalNumberOfUnsupportedTimestamps: int | None


class UntagResourceRequest(TypedDict):
    """What UntagResource takes."""

    ResourceArn: str
    TagKeys: list[str]


class UntagResourceResponse(TypedDict, total=False):
    """What UntagResource answers."""


class UpdateActiveModelVersionRequest(TypedDict):
    """What UpdateActiveModelVersion takes."""

    ModelName: str
    ModelVersion: int


class UpdateActiveModelVersionResponse(TypedDict, total=False):
    """What UpdateActiveModelVersion answers."""

    ModelName: str | None
    ModelArn: str | None
    CurrentActiveVersion: int | None
    PreviousActiveVersion: int | None
    CurrentActiveVersionArn: str | None
    PreviousActiveVersionArn: str | None


class UpdateInferenceSchedulerRequest(TypedDict):
    """What UpdateInferenceScheduler takes."""

    InferenceSchedulerName: str
    DataDelayOffsetInMinutes: NotRequired[int]
    DataUploadFrequency: NotRequired[DataUploadFrequency]
    DataInputConfiguration: NotRequired[InferenceInputConfiguration]
    DataOutputConfiguration: NotRequired[InferenceOutputConfiguration]
    RoleArn: NotRequired[str]


class UpdateLabelGroupRequest(TypedDict):
    """What UpdateLabelGroup takes."""

    LabelGroupName: str
    FaultCodes: NotRequired[list[str]]


class UpdateModelRequest(TypedDict):
    """What UpdateModel takes."""

    ModelName: str
    LabelsInputConfiguration: NotRequired[LabelsInputConfiguration]
    RoleArn: NotRequired[str]
    ModelDiagnosticsOutputConfiguration: NotRequired[ModelDiagnosticsOutputConfiguration]


class UpdateRetrainingSchedulerRequest(TypedDict):
    """What UpdateRetrainingScheduler takes."""

    ModelName: str
    RetrainingStartDate: NotRequired[datetime]
    RetrainingFrequency: NotRequired[str]
    LookbackWindow: NotRequired[str]
    PromoteMode: NotRequired[ModelPromoteMode]
